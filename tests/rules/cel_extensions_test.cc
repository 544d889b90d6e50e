// What CEL has beyond its standard: strings, math, lists, sets, regex, encoders, optional values,
// bindings, macros with two variables, addresses. The documented examples of cel-go and Kubernetes,
// and their corners.
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "rules/cel/functions.h"
#include "rules/cel/network.h"
#include "rules/cel/values.h"
#include "tests/rules/cel_fixture.h"

namespace vigil::rules::cel {
namespace {

struct Row {
  std::string text;
  std::string result;
};

void CheckRows(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    CelFixture fixture;
    INFO(row.text);
    CHECK(fixture.Eval(row.text) == row.result);
  }
}

}  // namespace

TEST_CASE("CEL extensions: every function takes empty and zero arguments", "[rules][unit]") {
  // Empty texts and lists have no memory: what looks at it shows under the sanitizers.
  Arena arena;
  std::string why;
  const cep::Value address = *ParseAddress("::", arena, &why);
  const cep::Value prefix = *ParsePrefix("::/0", arena, &why);
  const auto zero_of = [&](cep::ValueTag tag) {
    cep::Value value;
    value.tag = tag;
    if (tag == kAddressTag) return address;
    if (tag == kPrefixTag) return prefix;
    if (tag == cep::ValueTag::kAbsent) return cep::Value::Null();  // takes any type
    return value;
  };
  size_t calls = 0;
  for (const Function& function : FunctionTable::Get().functions()) {
    for (const Overload& overload : function.overloads) {
      INFO(overload.signature);
      cep::Value args[kMaxParameters];
      for (size_t i = 0; i < overload.parameters.size(); ++i) args[i] = zero_of(overload.tags[i]);
      WorkMeter work{kMaxWork};
      CallContext context{arena, work};
      CHECK_FALSE(overload.implementation(context, args).is_absent());
      ++calls;
    }
  }
  CHECK(calls > 200);
}

TEST_CASE("CEL extensions: format and quote", "[rules][unit]") {
  CheckRows({
      {"'%s %d %.2f %e %b %o %x %X'.format(['a', 1, 1.005, 12345.678, 5, 8, 255, 'hi'])",
       "\"a 1 1.00 1.234568e+04 101 10 ff 6869\""},
      {"'%s %s %s'.format([123.456, -0.0, 1e21])", "\"123.456 -0 1000000000000000000000\""},
      {"'%s %s'.format([0.0001, -1.5e-7])", "\"0.0001 -0.00000015\""},
      {"'%s'.format([{'b': 1, 'a': [null, true]}])", "\"{a: [null, true], b: 1}\""},
      {"'%s'.format([b'\\xff\\xfeabc'])", "\"\uFFFDabc\""},
      {"'%s %s'.format([duration('90m'), timestamp('2020-01-01T00:00:00.5Z')])",
       "\"5400s 2020-01-01T00:00:00.5Z\""},
      {"'%x %b %o'.format([-30, -5, -8])", "\"-1e -101 -10\""},
      {"'%d %f'.format([double('Infinity'), double('NaN')])", "\"Infinity NaN\""},
      {"'%.0f %.0f'.format([2.5, 3.5])", "\"2 4\""},
      {"'100%% %s'.format(['sure'])", "\"100% sure\""},
      {"'%s'.format(dyn([]))", "error: the format has more clauses than arguments: 0"},
      {"'%d'.format(dyn(['a']))", "error: `%d` takes int, uint or double"},
      {"dyn('%').format([])", "error: the format ends within a clause"},
      {"dyn('%q').format([1])", "error: `%q` is no clause of a format"},
      {"dyn('%.101f').format([1.0])", "error: a precision in a format is 0 to 100"},
      {"strings.quote('a\\n\"b\\\\')", "\"\\\"a\\\\n\\\\\\\"b\\\\\\\\\\\"\""},
  });
}

TEST_CASE("CEL extensions: math", "[rules][unit]") {
  CheckRows({
      {"math.greatest(1, 2.5, 3u)", "3u"},
      {"math.greatest([1.0, 5])", "5"},
      {"math.least(-1, -1.0)", "-1"},
      {"math.greatest(dyn('a'), 1)", "error: no such overload: math takes numbers"},
      {"math.least(dyn([]))", "error: an empty list has no least or greatest number"},
      {"[math.ceil(1.2), math.floor(-1.2), math.round(-1.5), math.trunc(-1.9)]",
       "[2.0, -2.0, -2.0, -1.0]"},
      {"math.abs(-9223372036854775808)", "error: integer overflow"},
      {"[math.sign(-3), math.sign(0)]", "[-1, 0]"},
      {"[math.sign(-3.5), math.sign(-0.0)]", "[-1.0, 0.0]"},
      {"math.sqrt(81)", "9.0"},
      {"math.isNaN(math.sqrt(-1.0)) && math.isInf(1.0 / 0.0) && !math.isFinite(0.0 / 0.0)", "true"},
      {"[math.bitAnd(-3, -5), math.bitOr(-2, -4), math.bitXor(1, 3), math.bitNot(1)]",
       "[-7, -2, 2, -2]"},
      {"[math.bitShiftLeft(-1, 2), math.bitShiftRight(-1024, 3), math.bitShiftLeft(1, 64)]",
       "[-4, 2305843009213693824, 0]"},
      {"math.bitShiftRight(1u, -1)", "error: bits are shifted by a negative number"},
  });
}

TEST_CASE("CEL extensions: lists and sets", "[rules][unit]") {
  CheckRows({
      {"[1, [2, [3, 4]]].flatten()", "[1, 2, [3, 4]]"},
      {"[1, [2, [3, [4]]]].flatten(2)", "[1, 2, 3, [4]]"},
      {"[[1]].flatten(-1)", "error: flatten to a negative depth"},
      {"lists.range(3) + lists.range(0)", "[0, 1, 2]"},
      {"lists.range(-1)", "error: a list has no negative number of items"},
      {"lists.range(2000000)", "error: list longer than 1,048,576 items"},
      {"[5, 3, 1, 2].reverse()", "[2, 1, 3, 5]"},
      {"[1, 2, 3, 4].slice(1, 3)", "[2, 3]"},
      {"[1, 2].slice(1, 3)", "error: slice(1, 3) of a list of 2"},
      {"[1, 2].slice(-1, 1)", "error: slice(-1, 1) of a list of 2"},
      {"['b', 'c', 'a'].sort()", "[\"a\", \"b\", \"c\"]"},
      {"[1, 'b'].sort()", "error: no such overload: a list is sorted by values of one type"},
      {"[2.0, 0.0 / 0.0, 1.0].sort().map(d, string(d))", "[\"1\", \"2\", \"NaN\"]"},
      {"[{'n': 'x', 's': 2}, {'n': 'y', 's': 1}].sortBy(e, e.s).map(e, e.n)", "[\"y\", \"x\"]"},
      {"dyn({'a': 1}).sortBy(e, e)", "error: no such overload"},
      {"[1, 1.0, 2, 1u].distinct()", "[1, 2]"},
      {"[[1, 2].first().value(), [1, 2].last().value()]", "[1, 2]"},
      {"[].first().hasValue()", "false"},
      {"[1, 2].sum() + [].sum()", "3"},
      {"[duration('1s'), duration('2m')].sum()", "duration(\"121s\")"},
      {"[9223372036854775807, 1].sum()", "error: integer overflow"},
      {"dyn(['a']).sum()", "error: no such overload: sum() adds numbers of one type, or durations"},
      {"[1, 3, 2].min() + [1, 3, 2].max()", "4"},
      {"[].max()", "error: an empty list has no least or greatest item"},
      {"dyn([1, 'a']).min()", "error: no such overload: the items have no order between them"},
      {"['a', 'b', 'b'].isSorted() && ![2, 1].isSorted()", "true"},
      {"[1, 2, 2].indexOf(2) + [1, 2, 2].lastIndexOf(2)", "3"},
      {"[1].indexOf(7)", "-1"},
      {"sets.contains([1, 2.0, 3u], [1.0, 2u, 3]) && !sets.contains([], [1])", "true"},
      {"sets.equivalent([1], [1, 1]) && !sets.equivalent([1], [2])", "true"},
      {"sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [])", "true"},
  });
}

TEST_CASE("CEL extensions: regex and base64", "[rules][unit]") {
  CheckRows({
      {"regex.replace('banana', 'a', 'x', 2)", "\"bxnxna\""},
      {"regex.replace('banana', 'a', 'x', -1)", "\"bxnxnx\""},
      {"regex.replace('foo bar', '(fo)o (ba)r', r'\\2 \\1 \\\\')", "\"ba fo \\\\\""},
      {"regex.replace('\u00e4b', '', '-')", "\"-\u00e4-b-\""},
      {"regex.replace('a', 'a', dyn(r'\\1'))",
       "error: the replacement names group 1 of a regular expression with 0"},
      {"regex.replace('a', 'a', dyn(r'x\\'))",
       "error: in a replacement a digit or a backslash follows a backslash"},
      {"regex.extract('item-A, item-B', r'item-(\\w+)')", "\"A\""},
      {"regex.extract('HELLO', 'hello').hasValue()", "false"},
      {"regex.extract('a@b', '(.*)@(.*)')",
       "error: the regular expression has more than one group"},
      {"regex.extractAll('id:123, id:456', r'id:(\\d*)')", "[\"123\", \"456\"]"},
      {"regex.extractAll('id:, id:4', r'id:(\\d*)')", "[\"4\"]"},
      {"regex.extractAll('x', dyn('('))", "error: invalid regular expression: missing ): ("},
      {"base64.encode(b'hello') + string(base64.decode('aGVsbG8'))", "\"aGVsbG8=hello\""},
      {"base64.decode('aGVs bG8=')", "error: not base64"},
      {"base64.decode('z')", "error: not base64"},
  });
}

TEST_CASE("CEL extensions: macros with two variables, bindings", "[rules][unit]") {
  CheckRows({
      {"[1, 2, 3].all(i, v, i < v) && {'a': 1}.exists(k, v, k == 'a' && v == 1)", "true"},
      {"[5, 6].exists_one(i, v, i == 1) && [5, 6].existsOne(i, v, v == 5)", "true"},
      {"[1, 2, 3].transformList(i, v, i * v + v)", "[1, 4, 9]"},
      {"{'a': 1, 'b': 2}.transformList(k, v, v > 1, k)", "[\"b\"]"},
      {"[1, 2, 3].transformMap(i, v, i % 2 == 0, v * 10)", "{0: 10, 2: 30}"},
      {"{'greeting': 'hello'}.transformMap(k, v, v + '!')", "{\"greeting\": \"hello!\"}"},
      {"{'a': 'x', 'b': 'y'}.transformMapEntry(k, v, {v: k})", "{\"x\": \"a\", \"y\": \"b\"}"},
      {"{'a': 'x', 'b': 'x'}.transformMapEntry(k, v, {v: k})", "error: a key is repeated in a map"},
      {"[1, 2, 3, 4, 5].transformMapEntry(i, v, {i: v, string(i): v}).size()", "10"},
      {"cel.bind(a, 'x', cel.bind(b, a + 'y', a + b + b))", "\"xxyxy\""},
      {"cel.bind(unused, 1 / 0, 2)", "2"},
      {"cel.bind(x, 1 / 0, x + 1)", "error: division by zero"},
      {"[1, 2].map(x, cel.bind(y, x * 10, [y].map(x, x + y)))", "[[20], [40]]"},
  });
}

TEST_CASE("CEL extensions: optional values", "[rules][unit]") {
  CheckRows({
      {"{'a': {'b': 1}}.?a.b.orValue(0)", "1"},
      {"{'a': {'c': 1}}.?a.?b.orValue(0)", "0"},
      {"[1, 2][?5].or([3][?0]).value()", "3"},
      {"{1: 'x'}[?1u].orValue('')", "\"x\""},
      {"optional.none().value()", "error: optional.none() has no value"},
      {"optional.of(1).orValue(1 / 0)", "1"},
      {"optional.none().orValue(1 / 0)", "error: division by zero"},
      {"optional.of(2).or(optional.of(1 / 0)).value()", "2"},
      {"optional.of(3).optMap(v, v * 2).value()", "6"},
      {"optional.none().optMap(v, v * 2).hasValue()", "false"},
      {"{'k': {'s': 'x'}}.?k.optFlatMap(m, m.?s).value()", "\"x\""},
      {"[?optional.of(1), ?optional.none(), 3]", "[1, 3]"},
      {"{?'a': optional.none(), ?'b': optional.of(2)}", "{\"b\": 2}"},
      {"[?dyn(1)]", "error: no such overload: after `?` comes an optional value"},
      {"has({'a': optional.of({'b': 1})}.a.b) && !has({'a': optional.none()}.a.b)", "true"},
      {"optional.ofNonZeroValue('').hasValue() || optional.ofNonZeroValue(0.0).hasValue()",
       "false"},
      {"[optional.of(42), optional.none()].unwrapOpt() + optional.unwrap([optional.of(1)])",
       "[42, 1]"},
      {"optional.of(1) == optional.of(1.0) && optional.none() != optional.of(1)", "true"},
      {"type(optional.none()) == optional_type", "true"},
      {"dyn(1).orValue(2)", "error: no such overload"},
      // Outside of an expression an optional is its value, or null.
      {"[optional.of(1), optional.none()]", "[1, null]"},
      {"optional.none()", "null"},
  });
}

TEST_CASE("CEL extensions: optional fields of events", "[rules][unit]") {
  CelFixture fixture;
  const cep::CapturedEvent* event =
      fixture.Event({{"amount", cep::Value::Double(2)}, {"any", cep::Value::Null()}});
  const cep::CapturedEvent* login = fixture.Event({{"country", cep::Value::String("DE")}});
  const cep::StageEvents stages[] = {{&login, 1}, {&login, 1}, {}};
  const std::vector<Row> rows = {
      {"event.?amount.orValue(0.0) + 1.0", "3.0"},
      {"event.?count.orValue(7)", "7"},
      {"event.?any.hasValue()", "true"},
      {"event.?amount.optMap(a, a > 1.0).orValue(false)", "true"},
      {"login.?country.orValue('')", "\"DE\""},
      {"login.?type.orValue('none')", "\"none\""},
      {"rise[?0].country.orValue('')", "\"DE\""},
      {"rise[?9].country.orValue('none')", "\"none\""},
      {"rise.last().country.orValue('')", "\"DE\""},
      {"rise.map(r, r.?type.orValue('-'))", "[\"-\"]"},
      {"cel.bind(l, login, l.country)", "\"DE\""},
      {"cel.bind(e, event, e.amount)", "2.0"},
      {"rise.sortBy(r, r.country).map(r, r.country)", "[\"DE\"]"},
      {"rise.transformList(i, r, string(i) + r.country)", "[\"0DE\"]"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(fixture.Eval(row.text, event, stages) == row.result);
  }
  // An optional field is no atom: a field that is absent is a value here, not an error.
  const Compiled compiled = CompileCondition("event.?count.orValue(7) == 7", fixture.environment);
  REQUIRE(compiled.ok);
  CHECK(compiled.unary.kind == cep::Condition::Kind::kOpaque);
  CHECK(compiled.unary.text == "event.?count.orValue(7) == 7");
}

TEST_CASE("CEL extensions: addresses", "[rules][unit]") {
  CheckRows({
      {"ip('127.0.0.1').family() + ip('::1').family()", "10"},
      {"string(ip('2001:DB8:0:0:1:0:0:1'))", "\"2001:db8::1:0:0:1\""},
      {"[string(ip('::')), string(ip('1::')), string(ip('::102:304')), string(ip('::1'))]",
       "[\"::\", \"1::\", \"::102:304\", \"::1\"]"},
      {"ip(dyn('1.2.3.04'))", "error: `1.2.3.04`: not an IP address"},
      {"ip(dyn('fe80::1%en0'))", "error: `fe80::1%en0`: IP address with a zone is not allowed"},
      {"ip(dyn('::ffff:1.2.3.4'))",
       "error: `::ffff:1.2.3.4`: an IPv4-mapped IPv6 address is not allowed"},
      {"[isIP('1.2.3'), isIP('::1'), isIP(''), isCIDR('10.0.0.0/8'), isCIDR('10.0.0.0')]",
       "[false, true, false, true, false]"},
      {"[ip.isCanonical('2001:db8::1'), ip.isCanonical('2001:DB8::1')]", "[true, false]"},
      {"[ip('127.8.0.1').isLoopback(), ip('169.254.1.1').isLinkLocalUnicast(),"
       " ip('224.0.0.1').isLinkLocalMulticast(), ip('::').isUnspecified()]",
       "[true, true, true, true]"},
      {"[ip('10.0.0.1').isGlobalUnicast(), ip('255.255.255.255').isGlobalUnicast(),"
       " ip('239.0.0.1').isGlobalUnicast(), ip('ff02::1').isLinkLocalMulticast()]",
       "[true, false, false, true]"},
      {"cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP('11.0.0.0')",
       "true"},
      {"cidr('2001:db8::/33').containsIP(ip('2001:db8:8000::'))", "false"},
      {"cidr('0.0.0.0/0').containsIP('::1')", "false"},
      {"cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') &&"
       " !cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
       "true"},
      {"cidr('192.168.1.5/24').ip() == ip('192.168.1.5')", "true"},
      {"cidr('192.168.1.5/24').masked()", "\"192.168.1.0/24\""},
      {"[cidr('192.168.1.5/24').isMask(), cidr('192.168.1.0/24').isMask()]", "[false, true]"},
      {"cidr('::1/128').prefixLength()", "128"},
      {"cidr(dyn('10.0.0.1/33'))",
       "error: `10.0.0.1/33`: the prefix length of an IP range is 0 to 32"},
      {"cidr(dyn('10.0.0.1/08'))",
       "error: `10.0.0.1/08`: the prefix length of an IP range is 0 to 32"},
      {"[type(ip('::1')) == net.IP, type(cidr('::/0')) == net.CIDR]", "[true, true]"},
      {"{'from': ip('::1')}", "{\"from\": \"::1\"}"},
  });
}

}  // namespace vigil::rules::cel
