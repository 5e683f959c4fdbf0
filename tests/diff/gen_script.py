"""Scripts: commands of other groups through redis.call and redis.pcall, values that travel there and back,
arithmetic and strings of Lua, the libraries, functions."""
import compare
import gen
import gen_hash
import gen_list
import gen_set
import gen_string
import gen_zset
import lua_corners

RESET = [("SCRIPT", "FLUSH"), ("FUNCTION", "FLUSH")]
INNER = [gen_string, gen_hash, gen_list, gen_set, gen_zset]
# What a reply of these holds has no order, or is near enough only; inside a script there is no telling.
LOOSE = {"SPOP", "SRANDMEMBER", "HRANDFIELD", "ZRANDMEMBER", "SMEMBERS", "HGETALL", "HKEYS", "HVALS", "SINTER",
         "SUNION", "SDIFF", "SSCAN", "HSCAN", "ZSCAN", "SCAN", "LCS", "GETEX"}

FUNCTIONS = """#!lua name=lib
local calls = 0
redis.register_function('count', function(keys, args) calls = calls + 1 return {calls, keys, args} end)
redis.register_function{function_name='peek', callback=function(keys) return redis.call('get', keys[1]) end,
                        flags={'no-writes'}, description='reads'}
redis.register_function('poke', function(keys, args) return redis.call('set', keys[1], args[1]) end)
"""

TEMPLATES = [
    (4, "EVAL sum 1 key int int"),
    (4, "EVAL formatted 0 float"),
    (4, "EVAL expression 0"),
    (12, "{EVAL|EVAL|EVAL|EVAL_RO} corner 1 key value"),
    (8, "EVAL pattern 0"),
    (3, "EVAL json 0 value value"),
    (3, "EVAL packed 0 value int"),
    (2, "EVAL counter 1 key secs"),
    (2, "EVAL_RO {sum|expression} 1 key int int"),
    (2, "EVAL {expression|sum} {-1|x|0|1|5} *(value)"),
    (1, "SCRIPT LOAD {expression|sum|counter}"),
    (1, "SCRIPT EXISTS {e0e1f9fabfc9d4800c877a703b823ac0578ff8db|x}"),
    (1, "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 0"),
    (1, "SCRIPT LOAD one"),
    (1, "SCRIPT FLUSH {|SYNC|ASYNC|x}"),
    (1, "FUNCTION LOAD ?(REPLACE) library"),
    (1, "FUNCTION {DELETE lib|FLUSH|DELETE nosuch}"),
    (4, "FCALL {count|peek|poke|nosuch} {0|1|2} *(key) *(value)"),
    (2, "FCALL_RO {count|peek|poke} 1 key value"),
    (1, "DEL key"),
]


CONVERSIONS = ["d", "5d", "-5d|", "x", "s", "5.2f", "g", "05.1f", "q", "u", "i"]
METHODS = ["sub(2)", "sub(1.5, 2.5)", "len()", "rep(2)", "reverse()", "byte(1)", "find(1)"]


def script(*texts):
    return lambda self: self.rng.choice(texts)


def expression(self):
    number = lambda: self.rng.choice(["1", "2", "3", "10", "0", "-1", "0.5", "1e3", "1e15", "2^53", "2^31", "-7", "1/3",
                                      "#ARGV", "#KEYS", "tonumber('12')", "tonumber('0x1f')", "math.floor(7.5)"])
    text = lambda: self.rng.choice(["'abc'", "'10'", "'a\\0b'", "('x'):rep(3)", "tostring(1/3)", "string.upper('q')",
                                    "table.concat({1, 2, 3.5}, ',')", f"({number()} .. '')", "[[long]]", "'\\65\\q'"])
    value = lambda: self.rng.choice([number, text])()
    return "return " + self.rng.choice([
        lambda: f"{number()} {self.rng.choice('+-*/%^')} {number()}",
        lambda: f"tostring({number()} {self.rng.choice('+-*/%')} {number()})",
        lambda: f"{text()} .. {value()}",
        lambda: f"{{{value()}, {value()}, {{{value()}}}, nil, 1}}",
        lambda: f"string.format('%{self.rng.choice(CONVERSIONS)}', {value()})",
        lambda: f"({text()}):{self.rng.choice(METHODS)}",
        lambda: f"{{string.find({text()}, '%d+')}}",
        lambda: f"(string.gsub({text()}, '.', '%0%0'))",
        lambda: f"{value()} == {value()}",
        lambda: f"{number()} < {number()}",
        lambda: f"math.{self.rng.choice(['floor', 'ceil', 'abs', 'sqrt'])}({number()})",
        lambda: f"{{math.{self.rng.choice(['max', 'min', 'fmod', 'pow'])}({number()}, {number()})}}",
        lambda: f"bit.{self.rng.choice(['band', 'bor', 'bxor', 'lshift', 'rshift'])}({number()}, {number()})",
        lambda: f"{{unpack({{{value()}, {value()}, {value()}}}, {self.rng.randint(1, 3)})}}",
        lambda: f"redis.sha1hex({value()})",
        lambda: f"redis.{self.rng.choice(['error_reply', 'status_reply'])}({text()})",
        lambda: f"{{{self.rng.choice(['err', 'ok', 'double', 'big_number'])} = {value()}}}",
        lambda: "error(" + value() + ")",
        lambda: "nosuch",
    ])()


def through(self):
    """A command of another group, called by a script."""
    other = self.inner = getattr(self, "inner", None) or gen.Gen(self.rng.random(), self.now_ms, INNER)
    for _ in range(20):
        commands = other.next()
        args = commands[0].args
        if len(commands) == 1 and commands[0].how == compare.exact and args[0].decode("latin1").upper() not in LOOSE:
            break
    else:
        args = [b"PING"]
    call = self.rng.choice(["redis.call(unpack(ARGV))", "redis.pcall(unpack(ARGV))"])
    before = self.rng.choice(["", "", "redis.setresp(3) "])
    return [gen.Command(["EVAL", f"{before}return {call}", 0] + args)]


SCRIPTS = [(30, through)]

WORDS = {
    "sum": script("return redis.call('get', KEYS[1])", "return tonumber(ARGV[1]) + tonumber(ARGV[2])",
                  "return {KEYS[1], ARGV[1], ARGV[2]}", "return redis.call('echo', ARGV[1] + 0)"),
    "formatted": script("return tostring(tonumber(ARGV[1]))", "return 'n:' .. (tonumber(ARGV[1]) or 'none')",
                        "return tonumber(ARGV[1])"),
    "json": script("return cjson.encode({ARGV[1], 1, {a = 'b'}})", "return cjson.decode(ARGV[1])",
                   "return cjson.encode(cjson.decode('[1, 2.5, \"x\", null, true, {\"k\": [101]}]'))"),
    "packed": script("return {cmsgpack.unpack(cmsgpack.pack(ARGV[1], tonumber(ARGV[2]), {1, {2}}))}",
                     "return cmsgpack.pack(ARGV[1], tonumber(ARGV[2]))", "return struct.pack('>I4i2s', 7, -2, 'x')",
                     "return {struct.unpack('>I2', ARGV[1] .. 'zz')}"),
    "counter": script("local n = redis.call('incr', KEYS[1]) "
                      "if n == 1 then redis.call('expire', KEYS[1], ARGV[1]) end return n"),
    "one": script("return 1"),
    "library": script(FUNCTIONS, FUNCTIONS, "#!lua name=lib\nx x", "return 1", "#!lua name=bad\nreturn 1"),
    "expression": expression,
    "corner": lua_corners.corner,
    "pattern": lua_corners.pattern,
}

for word, fn in WORDS.items():
    setattr(gen.Gen, word, fn)
