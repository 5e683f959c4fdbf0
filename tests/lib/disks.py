"""Disks that are small, or that fail, as file systems of their own. A server on one logs elsewhere."""
import contextlib
import fcntl
import os
import struct
import tempfile

from labtest import run


@contextlib.contextmanager
def small_disk(megabytes):
    with tempfile.TemporaryDirectory() as at:
        run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", at)
        try:
            yield at
        finally:
            run("umount", "-l", at)


@contextlib.contextmanager
def hollow_disk(megabytes, promised):
    """A file system that believes in more room than its device has: write() succeeds, fsync() does not (EIO), nor does
    write() past the page cache. Gives its path and what gives the device the room."""
    with small_disk(megabytes) as under, tempfile.TemporaryDirectory() as at:
        with open(f"{under}/device", "wb") as device:
            device.truncate(promised << 20)
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "nodiscard", f"{under}/device")
        run("mount", "-o", "loop,errors=continue", f"{under}/device", at)
        try:
            yield at, lambda: run("mount", "-o", f"remount,size={2 * promised}m", under)
        finally:
            run("umount", "-l", at)


def break_down(disk):
    """From now on it answers EIO, whatever it is asked to write."""
    fd = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, 0x8004587d, struct.pack("I", 2))  # FS_IOC_SHUTDOWN, without flushing its log
    finally:
        os.close(fd)


@contextlib.contextmanager
def standing_still(disk):
    """Whoever writes to it waits, as for a disk that is too slow."""
    run("fsfreeze", "--freeze", disk)
    try:
        yield
    finally:
        run("fsfreeze", "--unfreeze", disk)
