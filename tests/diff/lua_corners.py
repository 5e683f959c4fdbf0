"""Scripts of one line each that look into corners: one is drawn at a time, with KEYS[1] and one argument.

What Lua 5.4 has and 5.1 has not (operators, goto, escapes, other words in errors) is left out, and so is error({}), which
ends redis-server 7.0.
"""

CORNERS = r"""
return redis.call()
return redis.call({})
return redis.call('set', KEYS[1], {})
return redis.call('nosuch')
return redis.call('get')
return redis.call('get', 'a', 'b')
return redis.call('subscribe', 'x')
return redis.call('multi')
return redis.call('exec')
return redis.call('watch', 'x')
return redis.call('client', 'reply', 'off')
return redis.call('client', 'getname')
return redis.call('auth', 'x')
return redis.call('script', 'flush')
return redis.call('eval', 'return 1', 0)
return redis.call('set', KEYS[1], 1.5)
return redis.call('set', KEYS[1], 3.0) and redis.call('get', KEYS[1])
return redis.call('echo', 1e20)
return redis.call('set', KEYS[1], 12345678901234) and redis.call('get', KEYS[1])
return redis.call('echo', 0.1)
return redis.call('echo', -0.0)
return redis.call('set', KEYS[1], true)
return redis.call('GeT', 'nosuch')
return redis.call('lpop', 'nosuch')
return redis.pcall('get')
return redis.pcall('get').err
return redis.pcall('get')['err'] == nil
return type(redis.pcall('nosuch'))
local ok, e = pcall(redis.call, 'get') return {tostring(ok), type(e)}
local ok, e = pcall(redis.call, 'get') return e.err
local ok, e = pcall(redis.call, 'lpush', KEYS[1]) return e
local ok, e = pcall(error, 'x') return tostring(e)
local r = redis.pcall('incr', KEYS[1], 'x') return r
error({err = 'MY error'})
error({err = 'noprefix'})
error('text', 0)
error('text')
error()
error(nil)
error(12)
return redis.error_reply('x')
return redis.error_reply('-X y')
return redis.error_reply('X y z')
return redis.error_reply('')
return redis.error_reply()
return redis.error_reply(1)
return redis.error_reply('a', 'b')
return redis.status_reply('')
return redis.status_reply()
return redis.status_reply('a\r\nb')
return redis.error_reply('a\r\nb')
return {err = 'A b'}
return {err = 'ab'}
return {err = 12}
return {ok = 12}
return {ok = {}}
return {ok = 'x', err = 'y'}
return {1, 2, nil, 3}
return {1, false, true, 'x'}
return {}
return {{}}
return {{{{1}}}}
return true
return false
return nil
return
return 1, 2
return 1.9
return -1.9
return 1e18
return 2^63
return -2^63
return 1/0
return -1/0
return 0/0
return tostring(1/0)
return tostring(-1/0)
return '1'
return ''
return 'a\0b'
return KEYS
return ARGV
return #KEYS + #ARGV
return KEYS[2]
return print
return function() end
return coroutine.create(function() end)
return {print}
return {function() end, 1}
return {map = {a = 1}}
return {map = {}}
return {map = 1}
return {set = {a = true}}
return {set = {}}
return {double = 1.5}
return {double = 3}
return {double = 1/0}
return {double = 'x'}
return {big_number = '123'}
return {big_number = 'x\r\ny'}
return {verbatim_string = {string = 'x', format = 'txt'}}
return {verbatim_string = {string = 'x'}}
return {verbatim_string = 'x'}
redis.setresp(3) return true
redis.setresp(3) return {map = {a = 1}}
redis.setresp(3) return {set = {x = true}}
redis.setresp(3) return {double = 2.5}
redis.setresp(3) return redis.call('get', 'nosuch')
redis.setresp(3) return redis.call('hgetall', 'nosuch')
redis.setresp(3) return type(redis.call('zscore', 'nosuch', 'a'))
redis.setresp(3) return redis.call('smembers', 'nosuch')
redis.setresp(2) return 1
redis.setresp(4)
redis.setresp()
redis.setresp('x')
redis.setresp(2, 3)
x = 1
return x
local x = x
_G.x = 1
return _G.x
return rawget(_G, 'x') == nil
rawset(_G, 'abc', 1) return 1
setmetatable(_G, {})
return getmetatable(_G) == nil
return type(getmetatable(''))
redis.x = 1
string.foo = 1
redis.call = nil
KEYS = 1
KEYS[1] = 'x' return KEYS[1]
ARGV[3] = 'y' return ARGV
return loadstring('return 1')()
return load(function() return nil end) == nil
return loadstring('x x')
return tostring(loadstring('\27Lua'))
return dofile('x')
return require('x')
return type(os.clock())
return os.time()
return os.execute
return os.getenv
return io
return debug
return package
return newproxy
return module
return type(collectgarbage('count'))
math.randomseed(7) return {math.random(1000), math.random(1000)}
return math.random(0)
return math.random(2, 1)
return tostring(math.pi)
return tostring(math.huge)
return {math.modf(3.7)}
return {math.frexp(8)}
return math.ldexp(1, 4)
return math.log10(1000)
return math.mod == nil
return tostring(math.log(8, 2))
return cjson.encode({})
return cjson.encode({1, 2, nil, 4})
return cjson.encode({[1] = 'a', [3] = 'c'})
return cjson.encode({[1000] = 1})
return cjson.encode({[0] = 1})
return cjson.encode({['1'] = 2})
return cjson.encode({[1.5] = 2})
return cjson.encode('\1\31\127"\\/\b')
return cjson.encode('ü\255')
return cjson.encode(1e15)
return cjson.encode(0.1)
return cjson.encode(1e100)
return cjson.encode(12345678901234567)
return cjson.encode(0/0)
return cjson.encode(1/0)
return cjson.encode(print)
return cjson.encode(nil)
return cjson.encode(cjson.null)
return cjson.encode({cjson.null, false})
return cjson.encode()
return cjson.encode(1, 2)
return cjson.encode({true})
local t = {} for i = 1, 1001 do t = {t} end return cjson.encode(t)
local t = {} t.t = t return cjson.encode(t)
return cjson.decode('[]')
return cjson.decode('{}')
return cjson.decode('')
return cjson.decode(' 1 ')
return cjson.decode('1 2')
return cjson.decode('[1,]')
return cjson.decode('{"a":1,}')
return cjson.decode('{a:1}')
return cjson.decode('"\\u00e9\\ud83d\\ude00"')
return cjson.decode('"\\ud83d"')
return cjson.decode('"\\q"')
return cjson.decode('"a\1b"')
return cjson.decode('nul')
return cjson.decode('nan')
return cjson.decode('-Infinity')
return cjson.decode('0x10')
return cjson.decode('01')
return cjson.decode('1e5')
return cjson.decode('1.')
return cjson.decode('-')
return tostring(cjson.decode('null'))
return cjson.decode('null') == cjson.null
return cjson.decode('{"a":{"b":[1,2,{"c":null}]}}').a.b[3].c == cjson.null
return 'id:' .. cjson.decode('101')
return 'id:' .. cjson.decode('{"x":101}').x
return tostring(cjson.decode('12345678901234567'))
return cjson.decode('[1,2,3]')[2]
return cjson.encode(cjson.decode('{"a":[]}'))
return cjson.encode(cjson.decode('{"a":{}}'))
return cjson.encode(cjson.decode('[[[]]]'))
return type(cjson.encode_sparse_array)
cjson.encode_keep_buffer(false) return cjson.encode({1})
return {cjson.encode_max_depth()}
return cmsgpack.pack()
return cmsgpack.pack(1)
return cmsgpack.pack(-1, 127, 128, 255, 256, 65535, 65536)
return cmsgpack.pack(-32, -33, -128, -129, -32768, -32769)
return cmsgpack.pack(4294967295, 4294967296, -2147483648, -2147483649)
return cmsgpack.pack(1.5)
return cmsgpack.pack(0.1)
return cmsgpack.pack(1e300)
return cmsgpack.pack(true, false, nil)
return cmsgpack.pack('')
return cmsgpack.pack(('x'):rep(31), ('x'):rep(32))
return cmsgpack.pack(('x'):rep(255)):sub(1, 3)
return cmsgpack.pack(('x'):rep(256)):sub(1, 3)
return cmsgpack.pack({1, 2, 3})
return cmsgpack.pack({a = 1})
return cmsgpack.pack({})
return cmsgpack.pack({1, nil, 3})
return cmsgpack.pack({[2] = 1})
return cmsgpack.pack(print)
local t = {} for i = 1, 20 do t = {t} end return cmsgpack.pack(t)
return {cmsgpack.unpack('\1\2\3')}
return {cmsgpack.unpack('\192\194\195')}
return {cmsgpack.unpack('')}
return cmsgpack.unpack('\193')
return cmsgpack.unpack('\217')
return cmsgpack.unpack('\146\1')
return {cmsgpack.unpack('\202\63\192\0\0')}
return {cmsgpack.unpack_one('\1\2')}
return {cmsgpack.unpack_one('\1\2', 1)}
return {cmsgpack.unpack_one('\1\2', 2)}
return {cmsgpack.unpack_limit('\1\2\3', 2)}
return {cmsgpack.unpack_limit('\1\2\3', 1, 1)}
return cmsgpack.unpack_limit('\1', 0 - 1)
return cmsgpack.unpack(1)
return 'x' .. cmsgpack.unpack(cmsgpack.pack(5))
return 'x' .. cmsgpack.unpack(cmsgpack.pack(5.0))
return bit.tohex(255)
return bit.tohex(255, 4)
return bit.tohex(-1, -4)
return bit.bswap(1)
return bit.bnot(0)
return bit.arshift(-8, 1)
return bit.rol(1, 33)
return bit.ror(1, 1)
return bit.tobit(2^32 + 5)
return bit.tobit(1.7)
return bit.tobit('x')
return bit.band()
return bit.band(1)
return bit.bor(1, 2, 4)
return bit.lshift(1, 31)
return bit.tobit(2^53 + 1)
return struct.pack('i', 1)
return struct.pack('<i2>i2', 1, 1)
return struct.pack('b', 300)
return struct.pack('B', -1)
return struct.pack('s', 'a\0b')
return struct.pack('c0', 'abc')
return struct.pack('c2', 'abc')
return struct.pack('c5', 'abc')
return struct.pack('d', 1.5)
return struct.pack('>f', 1.5)
return struct.pack('!4bi', 1, 2)
return struct.pack('x')
return struct.pack('i33', 1)
return struct.pack('i0', 1)
return struct.pack('q', 1)
return struct.pack('i')
return struct.pack()
return struct.size('bi')
return struct.size('!bi')
return struct.size('s')
return {struct.unpack('>i2', '\1\2')}
return {struct.unpack('>i2', '\1')}
return {struct.unpack('s', 'ab\0c')}
return {struct.unpack('s', 'ab')}
return {struct.unpack('bc0', '\3abc')}
return {struct.unpack('c0', 'abc')}
return {struct.unpack('<I4', '\255\255\255\255')}
return {struct.unpack('b', 'abc', 2)}
return {struct.unpack('b', 'abc', 9)}
return string.rep('x', 0)
return string.rep('x', -1)
return string.rep('', 1000)
return ('%5s|%-5s|%05d|%+d|%x|%X|%o|%c|%%'):format('a', 'b', 42, 7, 255, 255, 8, 65)
return ('%q'):format('a"b\nc\\d')
return ('%s'):format(nil)
return ('%s'):format()
return ('%d'):format('10')
return ('%d'):format(3.7)
return ('%d'):format('x')
return ('%i'):format(3)
return ('%.3f'):format(2/3)
return ('%g'):format(1e20)
return ('%e'):format(12345.678)
return ('%10.4s|'):format('abcdefgh')
return ('%a'):format(1)
return ('%y'):format(1)
return ('%'):format(1)
return string.byte('abc', 1, -1)
return {string.byte('abc', 1, -1)}
return string.char(65, 66)
return string.char()
return ('abc'):sub(-2)
return ('abc'):sub(2, 10)
return ('abc'):sub(0)
return ('abc'):upper():lower()
return {('key=value'):match('(%w+)=(%w+)')}
return {('abc'):find('b', 1, true)}
return {('abc'):find('')}
return {('abc'):find('x')}
return {('a.b'):find('.', 1, true)}
return {('hello world'):gsub('o', '0')}
return {('hello'):gsub('l', {l = 'L'})}
return {('hello'):gsub('l', function(c) return c:upper() end)}
return {('hello'):gsub('', '-')}
return {('abc'):gsub('%w', '%0%0')}
return {('abc'):gsub('%w', '%1')}
return {('abc'):gsub('b', '%%')}
return ('x'):gsub('(', '')
return ('x'):gsub('%', '')
return ('x'):match('[a')
return {('abc'):gsub('%w*', 'x')}
return {('abc'):find('', 10)}
return {('abc'):find('b', -2)}
return {('abc'):find('', -10)}
return {('abc'):gsub('b', '%x')}
return {('abc'):gsub('b', '%')}
return {('abc'):gsub('b', 'x', 0)}
return {('abc'):gsub('.', {a = 1, b = false})}
return {('abc'):gsub('^a', 'x')}
return {('abc'):gsub('()', '%1')}
return {('ab\0cd'):match('b%zc')}
return {('ab\0cd'):find('b\0x')}
return {('ab\0cd'):find('b\0x', 1, true)}
return {('aXb'):find('%u()')}
return {('abcabc'):match('(%a)(%a).-%2')}
return {pcall(string.find, 'a', '%2')}
return {pcall(string.find, 'a', '(a')}
return {pcall(string.find, 'a', 'a)')}
return {pcall(string.find, 'a', '%b')}
return {pcall(string.find, 'a', '%f')}
return {pcall(string.find, 'a', ('(a)'):rep(33))}
return {pcall(string.gsub, 'a', 'a', '%2')}
return {pcall(string.gsub, 'a', 'a', function() return {} end)}
return {('a'):find(('a?'):rep(300) .. 'b')}
return {('a]b'):find('[]]')}
return {('a^b'):find('[b^]')}
return {('a-b'):find('[a%-]', 2)}
return {('a-b'):find('[+--]')}
return {('agb'):find('%g')}
local r = {} for a, b in ('k=v, x=y'):gmatch('(%w)=(%w)') do r[#r + 1] = a .. b end return r
local r = {} for w in ('abc'):gmatch('%w*') do r[#r + 1] = '<' .. w .. '>' end return r
local r = {} for w in ('^a^a'):gmatch('^a') do r[#r + 1] = w end return r
return table.concat({1, 2}, ',', 2, 1)
return table.concat({1, 2}, ',', 1, 3)
return table.concat({1, 2}, nil, 2)
return ('THE (quick) fox'):find('%((%a+)%)')
return {('f(a(b)c)d'):match('%b()')}
return {('THE (quick) fox'):match('%f[%a]%a+')}
local r = {} for w in ('a b c'):gmatch('%a') do r[#r + 1] = w end return r
return string.gfind == nil
return string.len('a\0b')
return string.reverse('abc')
return #'abc'
return table.concat({1, 2, 3}, '-')
return table.concat({1, 2, 3}, '-', 2, 3)
return table.concat({1, {}, 3})
return table.concat({})
return table.concat({1.5, 2.0, 'x'}, ' ')
local t = {3, 1, 2} table.sort(t) return t
local t = {3, 1, 2} table.sort(t, function(a, b) return a > b end) return t
local t = {3, 'x', 2} table.sort(t) return t
local t = {1, 2} table.insert(t, 3) table.insert(t, 1, 0) return t
local t = {1, 2} table.insert(t, 2, 9) return t
local t = {} table.insert(t) return t
local t = {1, 2, 3} local x = table.remove(t, 1) return {x, unpack(t)}
local t = {} return table.remove(t)
return table.getn({1, 2, 3})
return table.maxn({1, 2, [10] = 3})
return table.foreach == nil
return unpack({1, 2, 3})
return {unpack({1, 2, 3}, 2)}
return {unpack({1, 2, 3}, 2, 5)}
return {unpack({}, 1, 3)}
return select('#', 1, nil, 3)
return {select(2, 'a', 'b', 'c')}
return {select(-1, 'a', 'b', 'c')}
return select(0)
return type(next)
return next({})
return {next({5})}
return tostring(nil)
return tostring(true)
return tostring(10)
return tostring(10.0)
return tostring(1e15)
return tostring(1e16)
return tostring(123456789012345)
return tostring(-0.0)
return tostring(0.1)
return tostring(1/3)
return tostring(2^53)
return tostring(100000000000000)
return 10 / 2
return 'x' .. 10 / 2
return 'x' .. 1.5
return 'x' .. 2^31
return 'x' .. 1e100
return '10' + 5
return '0x10' + 0
return ' 10 ' + 1
return '1e1' * 1
return 10 == '10'
return 'a' < 'b'
return 1 < '2'
return {} < {}
return nil .. 'x'
return {} .. 'x'
return #nil
return (nil)()
return ('x')()
return (nil).x
return KEYS.x.y
return -'2'
return -{}
return 7 % 3
return -7 % 3
return 7 % -3
return 5.5 % 2
return 2 ^ 10
return 2 ^ 0.5
return not nil
return 1 and 2 or 3
return nil and 1
return false or 'x'
return tonumber('10', 2)
return tonumber('zz', 36)
return tonumber('9', 8)
return tonumber('0x1F')
return tonumber('1e')
return tonumber('')
return tonumber(' 12 ')
return tonumber('12abc')
return tonumber(nil)
return tonumber()
return tonumber('1_000')
return tonumber('١')
return type(1)
return type()
return type(nil)
return {pcall(error)}
return {pcall(error, {1})}
return {pcall(function() return 1, 2 end)}
return {xpcall(function() error('x', 0) end, function(e) return 'h:' .. e end)}
return {assert(1, 2)}
assert(false)
assert(nil, 'message')
for i = 3, 1 do return i end return 'none'
local n = 0 for i = 1, 10 do n = n + i end return n
local n = 0 for i = 0, 1, 0.1 do n = n + 1 end return n
local n = 0 while true do n = n + 1 if n > 5 then break end end return n
repeat local x = 1 until x == 1 return 'done'
local function f(...) return select('#', ...) end return f(nil, nil)
local function f(...) local a = {...} return a end return f(1, 2)
local t = setmetatable({}, {__index = function(_, k) return k .. '!' end}) return t.x
local t = setmetatable({}, {__call = function(_, k) return k end}) return t(5)
local t = setmetatable({}, {__tostring = function() return 'T' end}) return tostring(t)
local a = setmetatable({}, {__add = function() return 7 end}) return a + 1
local a = setmetatable({}, {__eq = function() return true end}) return a == setmetatable({}, getmetatable(a))
local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) local _, x = coroutine.resume(co, 1) local _, y = coroutine.resume(co, 10) return {x, y, coroutine.status(co)}
local f = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) return {f(), f(), f()}
return coroutine.running()
return redis.sha1hex('')
return redis.sha1hex()
return redis.sha1hex(1, 2)
return redis.sha1hex(123)
return redis.acl_check_cmd('get', 'x')
return redis.acl_check_cmd('nosuch')
return redis.acl_check_cmd()
return redis.acl_check_cmd({})
redis.log(redis.LOG_DEBUG, 'x') return 1
redis.log('x')
redis.log(9, 'x')
redis.log()
redis.log('a', 'b')
return {redis.LOG_DEBUG, redis.LOG_VERBOSE, redis.LOG_NOTICE, redis.LOG_WARNING}
return {redis.REPL_NONE, redis.REPL_SLAVE, redis.REPL_REPLICA, redis.REPL_AOF, redis.REPL_ALL}
return redis.replicate_commands()
redis.set_repl(redis.REPL_ALL) return 1
redis.set_repl(99)
redis.set_repl()
redis.set_repl('x')
return redis.breakpoint()
return redis.debug('x')
return type(redis.REDIS_VERSION)
return type(redis.REDIS_VERSION_NUM)
return redis.nosuch
return redis.register_function
#!lua
#!lua return 1
#!lua flags=
#!lua flags=no-writes
#!lua flags=nosuch
#!lua flags=no-writes,allow-oom
#!lua name=x
#!lua nosuch=x
#!nosuch
#!
#
x x
return --[[ c ]] 1
-- only a comment
return 0x1p4
return 0xA
return 1..2
return 1 .. 2
return .5
return 5.
return 3e
return 1e400
return 'a\x41b'
return 'a\u{41}b'
return 'a\z  b'
return 'a\065b'
return 'a\qb'
return math.type == nil
return utf8 == nil
return string.pack == nil
return math.tointeger == nil
return warn == nil
return rawlen == nil
return rawequal('a', 'a')
return gcinfo == nil
return setfenv == nil
return getfenv == nil
return xpcall == nil
"""

BODIES = ["return 1", "return redis.call('get', KEYS[1])", "return redis.call('set', KEYS[1], ARGV[1])"]


def pattern(self):
    """A pattern at random on a text at random."""
    rng = self.rng
    item = lambda: rng.choice(["a", "b", "c", ".", "%a", "%d", "%s", "%W", "%u", "[ab]", "[^a]", "[a-c]", "[%d_]", "%%", "%.",
                               "[]a]", "x", "1", "%z", "%x"]) + rng.choice(["", "", "", "*", "+", "-", "?"])
    part = lambda: rng.choice([item, item, item, item, lambda: "(" + item() + item() + ")", lambda: "()", lambda: "%1",
                               lambda: "%b()", lambda: "%f[%w]", lambda: "$", lambda: "^", lambda: rng.choice("()[]%-*")])()
    what = rng.choice(["", "", "^"]) + "".join(part() for _ in range(rng.randint(0, 5))) + rng.choice(["", "", "$"])
    text = "".join(rng.choice("aabbc1_ .()xA%") for _ in range(rng.randint(0, 12)))
    f = rng.choice([f"string.find, '{text}', '{what}', {rng.randint(-4, 14)}", f"string.match, '{text}', '{what}'",
                    f"string.gsub, '{text}', '{what}', '<%0>'", f"string.gsub, '{text}', '{what}', '%1', 2",
                    f"function(s, p) local r = {{}} for a, b in s:gmatch(p) do r[#r + 1] = tostring(a) .. tostring(b) end "
                    f"return table.concat(r, ';') end, '{text}', '{what}'"])
    return f"return {{pcall({f})}}"


def corner(self):
    text = self.rng.choice(LINES)
    return text + "\n" + self.rng.choice(BODIES) if text.startswith("#!") else text


LINES = [line for line in CORNERS.splitlines() if line]
