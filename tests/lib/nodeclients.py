"""The clients of Node.js, installed into the build directory at the versions of package-lock.json. package.json takes
an old version of msgpackr-extract, which nobody needs or gets: the lock file of a later one has a package for each
platform."""
import functools
import os
import re
import shutil

from labtest import BUILD, ROOT, run

CLIENTS = f"{ROOT}/tests/interop/clients"
INSTALLED = f"{BUILD}/tests/interop/clients"
NO_NETWORK = r"npm (?:ERR!|error) code E(?:NOTFOUND|AI_AGAIN|CONN\w*|TIMEDOUT|SOCKETTIMEDOUT|(?:HOST|NET)UNREACH)\b"


def read(path):
    with open(path, "rb") as f:
        return f.read()


@functools.cache
def install_node_clients():
    """Leaves those of the lock file in the build directory; or says why it cannot."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return f"there is no {program} here"
    lock, done = f"{CLIENTS}/package-lock.json", f"{INSTALLED}/installed.json"
    if os.path.exists(done) and read(done) == read(lock):
        return None
    os.makedirs(INSTALLED, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(f"{CLIENTS}/{name}", f"{INSTALLED}/{name}")
    npm = run("npm", "ci", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", "--prefer-offline",
              "--fetch-retries=1", "--fetch-timeout=20000", cwd=INSTALLED, timeout=120, check=False)
    if npm.returncode and re.search(NO_NETWORK, npm.stdout):
        return "npm reaches no registry to install the clients from"
    assert npm.returncode == 0, npm.stdout[:3000]
    shutil.copyfile(lock, done)
    return None


def node(lab, program, *parts, **env):
    env = {**os.environ, "NODE_PATH": f"{INSTALLED}/node_modules", **env}
    out = run("node", f"{CLIENTS}/{program}", lab.host, str(lab.port), *parts, env=env)
    assert not out, out
