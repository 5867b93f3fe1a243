// Faulty files, and what is reported of each: every problem with its line, column and path, in the order of the file,
// and the parts that its message and hint together must have: the name, number or key that helps. Not the sentences.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { loadText } from '../support/config-file.ts'

const good = `providers:
  local: { base_url: "http://127.0.0.1:11434/v1" }
models:
  llama: { provider: local, aliases: [l] }
`

/** The entry is in line 3. */
function provider(entry: string): string {
  return good.replace('models:', () => `  p: ${entry}\nmodels:`)
}

/** The entry is in line 5. */
function model(entry: string): string {
  return `${good}  ${entry}\n`
}

/** The section is in line 1. */
function top(section: string): string {
  return `${section}\n${good}`
}

/** `line:column path ~ part, part, …` */
const files: [name: string, text: string, problems: string[]][] = [
  ['an unknown key', top('server: { prot: 1 }'), ['1:11 server.prot ~ prot, port']],
  ['an unknown section', top('servers: {}'), ['1:1 servers ~ servers, server']],
  ['a text for a number', top('server: { port: "80" }'), ['1:17 server.port ~ whole number, 80']],
  ['a fraction for a whole number', top('server: { port: 80.5 }'), ['1:17 server.port ~ whole number, 80.5']],
  ['a number out of range', top('server: { port: 0 }'), ['1:17 server.port ~ 1, 65535, 0']],
  ['a number for a text', provider('{ base_url: 5 }'), ['3:18 providers.p.base_url ~ in quotes, 5']],
  ['a truth value for a mapping', top('server: true'), ['1:9 server ~ mapping']],
  ['an empty section', top('cors:'), ['1:6 cors ~ mapping']],
  ['a list in place of a mapping', top('cors: []'), ['1:7 cors ~ mapping']],
  ['an empty list', top('server: { hosts: [] }'), ['1:18 server.hosts ~ empty']],
  ['an empty text', top('server: { hosts: [""] }'), ['1:19 server.hosts[0] ~ empty']],
  [
    'a text that is too long',
    top(`server: { unix_socket: "/${'x'.repeat(110)}" }`),
    ['1:24 server.unix_socket ~ 107, 111'],
  ],
  [
    'a path that is not absolute',
    top('server: { unix_socket: run/x.sock }'),
    ['1:24 server.unix_socket ~ bsolute, run/x.sock'],
  ],
  [
    'a value outside of a list of values',
    top('logging: { level: inof }'),
    ['1:19 logging.level ~ inof, info, error, warn, debug'],
  ],
  [
    'a number outside of a list of values',
    top('logging: { level: 5 }'),
    ['1:19 logging.level ~ in quotes, 5'],
  ],
  ['no providers', 'providers: {}\nmodels: { m: { provider: a } }\n', ['1:1 providers ~ empty']],
  ['no models', 'providers: { a: { kind: echo } }\nmodels: {}\n', ['2:1 models ~ empty']],
  ['missing sections', 'server: {}\n', ['1:1  ~ providers', '1:1  ~ models']],
  [
    'misspelled sections',
    'provider: { a: { kind: echo } }\nmodel: { m: { provider: a } }\n',
    ['1:1  ~ providers', '1:1  ~ models', '1:1 provider ~ provider, providers', '2:1 model ~ model, models'],
  ],
  ['a list in place of the whole', '- 1\n', ['1:1  ~ mapping']],
  ['a text in place of the whole', 'hello\n', ['1:1  ~ mapping, hello']],
  [
    'a provider that is a text',
    provider('https://a.example'),
    ['3:6 providers.p ~ mapping, https://a.example'],
  ],
  [
    'a faulty provider, once, though a model uses it',
    'providers:\n  a: https://a.example\nmodels:\n  m: { provider: a }\n',
    ['2:6 providers.a ~ mapping, https://a.example'],
  ],
  ['a provider that is nothing', provider(''), ['3:6 providers.p ~ mapping']],
  [
    'a provider without a base URL',
    provider('{ include_usage: auto }'),
    ['3:3 providers.p ~ kind: echo, base_url'],
  ],
  ['an empty provider', provider('{}'), ['3:3 providers.p ~ kind: echo, base_url']],
  [
    'a provider with a misspelled base URL',
    provider('{ baseurl: "https://a.example" }'),
    ['3:8 providers.p.baseurl ~ baseurl, base_url'],
  ],
  ['an unknown kind', provider('{ kind: eco }'), ['3:14 providers.p.kind ~ eco, echo, openai']],
  [
    'an unknown kind with a base URL',
    provider('{ kind: eco, base_url: "https://a.example" }'),
    ['3:14 providers.p.kind ~ eco, echo, openai'],
  ],
  ['a kind that is no text', provider('{ kind: [] }'), ['3:14 providers.p.kind ~ text, a list']],
  [
    'a provider of kind echo with a base URL',
    provider('{ kind: echo, base_url: "http://127.0.0.1:1" }'),
    ['3:20 providers.p.base_url ~ echo'],
  ],
  [
    'a provider of kind echo with a key and timeouts',
    provider('{ kind: echo, timeouts: {}, api_key: { env: A } }'),
    ['3:20 providers.p.timeouts ~ echo', '3:34 providers.p.api_key ~ echo'],
  ],
  [
    'a provider of kind echo with an unknown key',
    provider('{ kind: echo, foo: 1 }'),
    ['3:20 providers.p.foo ~ foo'],
  ],
  [
    'a provider of kind echo with a faulty key',
    provider('{ kind: echo, timeouts: { idle_ms: -1 } }'),
    ['3:20 providers.p.timeouts ~ echo', '3:41 providers.p.timeouts.idle_ms ~ 0, 86400000, -1'],
  ],
  [
    'a provider of kind openai without a base URL',
    provider('{ kind: openai }'),
    ['3:3 providers.p ~ kind: echo, base_url'],
  ],
  [
    'a provider of kind openai with a faulty base URL',
    provider('{ kind: openai, base_url: [] }'),
    ['3:32 providers.p.base_url ~ text, a list'],
  ],
  [
    'a base URL that is none',
    provider('{ base_url: "api.example.com" }'),
    ['3:18 providers.p.base_url ~ URL, https://api.example.com/v1'],
  ],
  [
    'a base URL in the clear',
    provider('{ base_url: "http://8.8.8.8/v1" }'),
    ['3:18 providers.p.base_url ~ https://, 8.8.8.8'],
  ],
  [
    'a provider with a strange name',
    `providers: { "a b": { kind: echo } }\nmodels: { m: { provider: x } }\n`,
    ['1:14 providers["a b"] ~ a b', '2:26 models.m.provider ~ x'],
  ],
  [
    'a provider whose name is empty',
    `providers: { "": { kind: echo }, a: { kind: echo } }\nmodels: { m: { provider: a } }\n`,
    ['1:14 providers[""] ~ empty'],
  ],
  [
    'a secret in the file',
    provider('{ base_url: "https://a.example", api_key: hunter2 }'),
    ['3:48 providers.p.api_key ~ secret, { credential: NAME }, { env: NAME }'],
  ],
  [
    'a number for a secret',
    provider('{ base_url: "https://a.example", api_key: 12345 }'),
    ['3:48 providers.p.api_key ~ mapping'],
  ],
  [
    'a list for a secret',
    provider('{ base_url: "https://a.example", api_key: [hunter2] }'),
    ['3:48 providers.p.api_key ~ mapping'],
  ],
  [
    'a secret with a value',
    provider('{ base_url: "https://a.example", api_key: { env: A, optional: true, value: hunter2 } }'),
    ['3:74 providers.p.api_key.value ~ value'],
  ],
  [
    'a secret reference with a key for a name',
    provider('{ base_url: "https://a.example", api_key: { env: hunter-2 } }'),
    ['3:55 providers.p.api_key.env ~ environment variable'],
  ],
  [
    'a secret reference that is a number',
    provider('{ base_url: "https://a.example", api_key: { env: 12345 } }'),
    ['3:55 providers.p.api_key.env ~ in quotes'],
  ],
  [
    'a secret reference that is too long',
    provider(`{ base_url: "https://a.example", api_key: { env: ${'x'.repeat(256)} } }`),
    ['3:55 providers.p.api_key.env ~ 255, 256'],
  ],
  [
    'a secret reference with a relative path',
    provider('{ base_url: "https://a.example", api_key: { file: keys/a } }'),
    ['3:56 providers.p.api_key.file ~ bsolute'],
  ],
  [
    'a secret reference without a place',
    provider('{ base_url: "https://a.example", api_key: { optional: true } }'),
    ['3:48 providers.p.api_key ~ credential, file, env'],
  ],
  [
    'an empty secret reference',
    provider('{ base_url: "https://a.example", api_key: {} }'),
    ['3:48 providers.p.api_key ~ credential, file, env'],
  ],
  [
    'a secret that is absent',
    provider('{ base_url: "https://a.example", api_key: { env: NOPE } }'),
    ['3:48 providers.p.api_key ~ env NOPE, optional: true'],
  ],
  [
    'a header that carries a key',
    provider('{ base_url: "https://a.example", headers: { X-API-Key: abc } }'),
    ['3:50 providers.p.headers.X-API-Key ~ api_key, X-API-Key'],
  ],
  [
    'a header with a line end',
    provider('{ base_url: "https://a.example", headers: { x: "a\\r\\nb" } }'),
    ['3:53 providers.p.headers.x ~ visible ASCII'],
  ],
  [
    'a header with a number',
    provider('{ base_url: "https://a.example", headers: { x: 5 } }'),
    ['3:53 providers.p.headers.x ~ in quotes'],
  ],
  [
    'a header with an empty reference',
    provider('{ base_url: "https://a.example", headers: { x: {} } }'),
    ['3:53 providers.p.headers.x ~ credential, file, env'],
  ],
  [
    'a header with a faulty reference',
    provider('{ base_url: "https://a.example", headers: { x: { evn: A } } }'),
    ['3:55 providers.p.headers.x.evn ~ evn, env'],
  ],
  [
    'a header name with a space',
    provider('{ base_url: "https://a.example", headers: { "x y": a } }'),
    ['3:50 providers.p.headers["x y"] ~ x y'],
  ],
  [
    'a header name with a space and a bad value',
    provider('{ base_url: "https://a.example", headers: { "x y": [] } }'),
    ['3:50 providers.p.headers["x y"] ~ x y', '3:57 providers.p.headers["x y"] ~ text, mapping, a list'],
  ],
  [
    'a hop-by-hop header',
    provider('{ base_url: "https://a.example", headers: { Connection: close } }'),
    ['3:50 providers.p.headers.Connection ~ set by the gateway, Connection'],
  ],
  [
    'a header in two spellings',
    provider('{ base_url: "https://a.example", headers: { x-a: b, X-A: c } }'),
    ['3:58 providers.p.headers.X-A ~ twice, X-A'],
  ],
  [
    'a header that carries the key already',
    provider(
      '{ base_url: "https://a.example", api_key: { env: A, optional: true }, headers: { Authorization: { env: A, optional: true } } }',
    ),
    ['3:87 providers.p.headers.Authorization ~ Authorization'],
  ],
  [
    'a key header that the gateway sets',
    provider('{ base_url: "https://a.example", auth: { header: Host } }'),
    ['3:55 providers.p.auth.header ~ set by the gateway, Host'],
  ],
  [
    'an unknown way to send the key',
    provider('{ base_url: "https://a.example", auth: basic }'),
    ['3:45 providers.p.auth ~ basic'],
  ],
  [
    'a way to send the key without its header',
    provider('{ base_url: "https://a.example", auth: {} }'),
    ['3:39 providers.p.auth ~ header'],
  ],
  [
    'a way to send the key that is a number',
    provider('{ base_url: "https://a.example", auth: 1 }'),
    ['3:45 providers.p.auth ~ in quotes, 1'],
  ],
  [
    'a health check with a relative path',
    provider('{ base_url: "https://a.example", health_check: { path: health } }'),
    ['3:61 providers.p.health_check.path ~ health'],
  ],
  [
    'a health check with a space',
    provider('{ base_url: "https://a.example", health_check: { path: "/a b" } }'),
    ['3:61 providers.p.health_check.path ~ /a b'],
  ],
  [
    'a health check every millisecond',
    provider('{ base_url: "https://a.example", health_check: { interval_ms: 1 } }'),
    ['3:68 providers.p.health_check.interval_ms ~ 1000, 3600000, 1'],
  ],
  [
    'a health check that is a text',
    provider('{ base_url: "https://a.example", health_check: "yes" }'),
    ['3:53 providers.p.health_check ~ true or false, mapping, yes'],
  ],
  ['an unknown provider', model('m: { provider: loca }'), ['5:18 models.m.provider ~ loca, local']],
  [
    'a provider that resembles none',
    model('m: { provider: xxxxxxxxx }'),
    ['5:18 models.m.provider ~ xxxxxxxxx, local'],
  ],
  ['a model without a provider', model('m: {}'), ['5:3 models.m ~ provider, targets']],
  ['a model that is nothing', model('m:'), ['5:5 models.m ~ mapping']],
  ['a model that is a text', model('m: local'), ['5:6 models.m ~ mapping, local']],
  ['a model with aliases only', model('m: { aliases: [n] }'), ['5:3 models.m ~ provider, targets']],
  [
    'a model with a misspelled provider',
    model('m: { provder: local }'),
    ['5:8 models.m.provder ~ provder, provider'],
  ],
  [
    'a model with both forms',
    model('m: { provider: local, targets: [{ provider: local }] }'),
    ['5:8 models.m.provider ~ provider, targets'],
  ],
  [
    'a model with a name beside its targets',
    model('m: { model: x, targets: [{ provider: local }] }'),
    ['5:8 models.m.model ~ model, targets'],
  ],
  ['a model with an empty list of targets', model('m: { targets: [] }'), ['5:17 models.m.targets ~ empty']],
  [
    'a target without a provider',
    model('m: { targets: [{ model: x }] }'),
    ['5:18 models.m.targets[0] ~ provider'],
  ],
  [
    'a target that is a text',
    model('m: { targets: [local] }'),
    ['5:18 models.m.targets[0] ~ mapping, local'],
  ],
  [
    'a target with an unknown provider',
    model('m: { targets: [{ provider: local }, { provider: other }] }'),
    ['5:51 models.m.targets[1].provider ~ other, local'],
  ],
  [
    'a target with a tier of 0',
    model('m: { targets: [{ provider: local, tier: 0 }] }'),
    ['5:43 models.m.targets[0].tier ~ 1, 100, 0'],
  ],
  [
    'an alias that is a name',
    model('m: { provider: local, aliases: [llama] }'),
    ['5:35 models.m.aliases[0] ~ llama'],
  ],
  [
    'an alias of two models',
    model('m: { provider: local, aliases: [l] }'),
    ['5:35 models.m.aliases[0] ~ "l", llama'],
  ],
  ['an alias with a *', model('m: { provider: local, aliases: ["a*"] }'), ['5:35 models.m.aliases[0] ~ *']],
  [
    'an alias with a space',
    model('m: { provider: local, aliases: ["a b"] }'),
    ['5:35 models.m.aliases[0] ~ a b'],
  ],
  [
    'an alias of a wildcard',
    model('"m/*": { provider: local, aliases: [n] }'),
    ['5:39 models["m/*"].aliases[0] ~ *'],
  ],
  ['a * within a name', model('"m*n": { provider: local }'), ['5:3 models["m*n"] ~ *, end, m*n']],
  ['a name with two *', model('"m**": { provider: local }'), ['5:3 models["m**"] ~ *, end, m**']],
  ['a name with a space', model('"m n": { provider: local }'), ['5:3 models["m n"] ~ m n']],
  [
    'a * within a name with another fault',
    model('"m*n": { provider: nowhere }'),
    ['5:3 models["m*n"] ~ *, end, m*n', '5:22 models["m*n"].provider ~ nowhere, local'],
  ],
  [
    'a * in the target of a plain name',
    model('m: { provider: local, model: "x*" }'),
    ['5:32 models.m.model ~ *'],
  ],
  [
    'a * in a listed target of a plain name',
    model('m: { targets: [{ provider: local, model: "x*" }] }'),
    ['5:44 models.m.targets[0].model ~ *'],
  ],
  ['two * in a target', model('"m*": { provider: local, model: "*/*" }'), ['5:35 models["m*"].model ~ *']],
  [
    'an unknown fallback',
    model('m: { provider: local, fallbacks: [lama] }'),
    ['5:37 models.m.fallbacks[0] ~ lama, llama'],
  ],
  [
    'a fallback to a wildcard',
    model('m: { provider: local, fallbacks: ["m*"] }'),
    ['5:37 models.m.fallbacks[0] ~ m*'],
  ],
  [
    'a model that falls back to itself',
    model('m: { provider: local, fallbacks: [m] }'),
    ['5:37 models.m.fallbacks[0] ~ "m" → "m"'],
  ],
  [
    'a circle by way of an alias',
    model('m: { provider: local, fallbacks: [n] }\n  o: { provider: local, aliases: [n], fallbacks: [m] }'),
    ['6:51 models.o.fallbacks[0] ~ "m" → "o" → "m"'],
  ],
  [
    'limits of an unknown model',
    `${good}rate_limit_settings: { limits: { lama: { rpm: 1 } } }\n`,
    ['5:34 rate_limit_settings.limits.lama ~ lama, llama'],
  ],
  [
    'limits of an alias',
    `${good}rate_limit_settings: { limits: { l: { rpm: 1 } } }\n`,
    ['5:34 rate_limit_settings.limits.l ~ l, llama'],
  ],
  [
    'limits with an unknown key',
    `${good}rate_limit_settings: { limits: { llama: { rps: 1 } } }\n`,
    ['5:43 rate_limit_settings.limits.llama.rps ~ rps, rpm'],
  ],
  [
    'limits of 0',
    `${good}rate_limit_settings: { per_client: { rpm: 0 } }\n`,
    ['5:43 rate_limit_settings.per_client.rpm ~ 1, 10000000, 0'],
  ],
  [
    'an unknown way to wait',
    `${good}rate_limit_settings: { when_limited: queue }\n`,
    ['5:38 rate_limit_settings.when_limited ~ queue, reject, wait'],
  ],
  [
    'a listener on all addresses',
    top('server: { hosts: [0.0.0.0] }'),
    ['1:19 server.hosts[0] ~ loopback, ssh -L, 0.0.0.0'],
  ],
  ['a listener in brackets', top('server: { hosts: ["[::1]"] }'), ['1:19 server.hosts[0] ~ [::1], write']],
  [
    'a listener by name',
    top('server: { hosts: [localhost] }'),
    ['1:19 server.hosts[0] ~ 127.0.0.1, localhost, ::1'],
  ],
  [
    '"any" beside other users',
    top('access: { allowed_users: [any, root] }'),
    ['1:26 access.allowed_users ~ any'],
  ],
  [
    'trusted proxies without a user',
    top('server: { trusted_proxies: [127.0.0.1/32, 10.0.0.0/8] }'),
    ['1:28 server.trusted_proxies ~ { user: NAME }, CIDR'],
  ],
  [
    'a trusted proxy that is neither a user nor a CIDR',
    top('server: { trusted_proxies: [www-data, { user: self }] }'),
    ['1:29 server.trusted_proxies[0] ~ www-data, 192.168.1.0/24'],
  ],
  [
    'every user as a trusted proxy',
    top('server: { trusted_proxies: [{ user: any }] }'),
    ['1:37 server.trusted_proxies[0].user ~ any'],
  ],
  [
    'a trusted proxy of another form',
    top('server: { trusted_proxies: [{ users: [a] }] }'),
    ['1:29 server.trusted_proxies[0] ~ user', '1:31 server.trusted_proxies[0].users ~ users, user'],
  ],
  [
    '"any" beside a faulty user',
    top('access: { allowed_users: [any, "a b"] }'),
    ['1:32 access.allowed_users[1] ~ a b'],
  ],
  ['no users', top('access: { allowed_users: [] }'), ['1:26 access.allowed_users ~ empty']],
  [
    'a user name with a space',
    top('access: { allowed_users: ["a b"] }'),
    ['1:27 access.allowed_users[0] ~ a b'],
  ],
  [
    'a text that is no CIDR',
    top('access: { allowed_ips: [10.0.0.0/33] }'),
    ['1:25 access.allowed_ips[0] ~ 192.168.1.0/24, 10.0.0.0/33'],
  ],
  [
    'a Host with a scheme',
    top('server: { allowed_hosts: ["http://a.example"] }'),
    ['1:27 server.allowed_hosts[0] ~ host:port, http://a.example'],
  ],
  [
    'an origin with a path',
    top('cors: { allowed_origins: ["http://a.example/"] }'),
    ['1:27 cors.allowed_origins[0] ~ http://a.example/'],
  ],
  [
    'serving every web page (a warning)',
    top('cors: { allow_all: true }'),
    ['1:20 cors.allow_all ~ allowed_origins'],
  ],
  [
    'serving every page with the origin null (a warning)',
    top('cors: { allow_null_origin: true }'),
    ['1:28 cors.allow_null_origin ~ sandboxed'],
  ],
  [
    'serving every extension of a browser (a warning)',
    top('cors: { allowed_origins: ["chrome-extension://*"] }'),
    ['1:27 cors.allowed_origins[0] ~ every page with the scheme'],
  ],
  [
    'serving every local file (a warning)',
    top('cors: { allowed_origins: ["file://"] }'),
    ['1:27 cors.allowed_origins[0] ~ every local file'],
  ],
  [
    'the origin null in the list',
    top('cors: { allowed_origins: ["null"] }'),
    ['1:27 cors.allowed_origins[0] ~ allow_null_origin'],
  ],
  [
    'a variable that is not set',
    top('server: { unix_socket: "/run/${NOPE}" }'),
    ['1:24 server.unix_socket ~ NOPE, not set'],
  ],
  [
    'a variable that is not set, in a provider',
    provider('{ base_url: "${NOPE}" }'),
    ['3:18 providers.p.base_url ~ NOPE, not set'],
  ],
  [
    'a variable that is not set, as a provider',
    model('m: { provider: "${NOPE}" }'),
    ['5:18 models.m.provider ~ NOPE, not set'],
  ],
  [
    'a brace that names no variable',
    top('server: { unix_socket: "/run/${a-b" }'),
    ['1:24 server.unix_socket ~ $${'],
  ],
  [
    'a value that can not be read, in a list',
    top('access: { allowed_users: [any, "${NOPE}"] }'),
    ['1:32 access.allowed_users[1] ~ NOPE, not set'],
  ],
  ['a key that stands twice', `${good}  llama: { provider: local }\n`, ['5:3 models.llama ~ twice, llama']],
  ['__proto__ as a key', `${good}  __proto__: { provider: local }\n`, ['5:3 models.__proto__ ~ __proto__']],
  ['constructor as a key', top('constructor: 1'), ['1:1 constructor ~ constructor']],
  ['a tag of another language', top('logging: !!js/function "x"'), ['1:24 logging ~ tag, js/function']],
  ['an alias without an anchor', top('logging: *nowhere'), ['1:10 logging ~ *nowhere']],
  ['an alias within its own anchor', top('logging: &a { level: *a }'), ['1:22 logging.level ~ *a']],
  ['a second document', `${good}---\n${good}`, ['5:1  ~ document']],
  ['wrong indentation', `server:\n  port: 1\n hosts: []\n${good}`, ['3:1  ~ indented, same column']],
  ['a list that is not closed', `foo: [\n${good}`, ['1:6  ~ not closed, add a']],
  ['a list that is not closed, at the end', `${good}\nfoo: [\n\n`, ['6:6  ~ not closed, add a']],
  ['a brace that closes no bracket', 'foo: [{ a: [1, 2}, 3]\n', ['1:12  ~ not closed, add a']],
  ['a mapping that is not closed', `${good}server: { port: 1\n`, ['5:9  ~ not closed, add a']],
  ['a text that is not closed', 'foo: [1, "a\\"]\n', ['1:10  ~ not closed, add a']],
  [
    'something wrong before a list that is not closed',
    'foo: @a\nbar: [1\nbaz: @b\n',
    ['1:6  ~ in quotes', '2:6  ~ not closed, add a'],
  ],
  [
    'a fault in an anchored value, for each alias',
    'providers:\n  a: { base_url: "http://127.0.0.1:1/v1", timeouts: &patient { idle_ms: -1 } }\n  b: { base_url: "http://127.0.0.1:2/v1", timeouts: *patient }\nmodels: { m: { provider: a } }\n',
    [
      '2:73 providers.a.timeouts.idle_ms ~ 0, 86400000, -1',
      '2:73 providers.b.timeouts.idle_ms ~ 0, 86400000, -1',
    ],
  ],
  [
    'all at once, in the order of the file',
    `server:\n  port: 0\n  x: 1\n${good}  gpt: { provider: lokal }\n`,
    ['2:9 server.port ~ 1, 65535, 0', '3:3 server.x ~ x', '8:20 models.gpt.provider ~ lokal, local'],
  ],
]

describe('reported with its place:', () => {
  for (const [name, text, expected] of files) {
    test(name, (t) => {
      const loaded = loadText(t, text)
      const problems = loaded.ok ? loaded.warnings : loaded.problems
      const shown = problems.map(({ line, column, path }) => `${line}:${column} ${path}`)
      assert.deepEqual(
        shown,
        expected.map((each) => each.split(' ~ ')[0]),
      )
      for (const [index, { message, hint }] of problems.entries()) {
        const parts = expected[index]!.split(' ~ ')[1]!.split(', ')
        for (const part of parts)
          assert.ok(`${message} ${hint}`.includes(part), `"${part}" is missing: ${message} (${hint})`)
      }
    })
  }
})

test('no message or hint shows what may be a secret', (t) => {
  for (const [name, text] of files) {
    const loaded = loadText(t, text)
    if (!text.includes('hunter')) continue
    assert.ok(!loaded.ok, name)
    const words = JSON.stringify([loaded.problems.map(({ message, hint }) => [message, hint]), loaded.lines])
    assert.doesNotMatch(words, /hunter/, name)
  }
})
