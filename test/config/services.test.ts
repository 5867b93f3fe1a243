// Model servers that the service manager starts: what may stand in the file, and what becomes of it.
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import type { HttpProvider } from '../../src/config/provider-types.ts'
import { loadText, problemsOf } from '../support/config-file.ts'

const hasServiceManager = true

/** Each entry of `services` has a line of its own, from 2. */
function withServices(services: Readonly<Record<string, string>>, rest = ''): string {
  const providers = Object.entries(services).map(
    ([name, service], index) =>
      `  ${name}: { base_url: "http://127.0.0.1:${8081 + index}/v1", service: ${service} }\n`,
  )
  return `providers:\n${providers.join('')}models: { m: { provider: ${Object.keys(services)[0]} } }\n${rest}`
}

function problems(t: TestContext, service: string, rest?: string): string[] {
  return problemsOf(t, withServices({ a: service }, rest), { hasServiceManager })
}

function one(found: readonly string[], expected: RegExp): void {
  assert.equal(found.length, 1, found.join('; '))
  assert.match(found[0]!, expected)
}

test('a unit has defaults for the rest', (t) => {
  const loaded = loadText(t, withServices({ a: '{ unit: llama-server@a.service }' }), { hasServiceManager })
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.warnings, [])
  assert.deepEqual((loaded.config.providers.get('a') as HttpProvider).service, {
    unit: 'llama-server@a.service',
    startTimeoutMs: 120_000,
    stopAfterIdleMs: 900_000,
    isKept: false,
    startsAtBoot: false,
    whenStarting: 'wait',
  })
  assert.deepEqual(loaded.config.services, { manager: 'user', groups: new Map() })
})

test('a command becomes a transient unit of the name of its provider', (t) => {
  const loaded = loadText(
    t,
    withServices({
      'a.b-c_d': `{ run: ["/usr/bin/x", "--a=%n", "$HOME", ""], environment: { CUDA_VISIBLE_DEVICES: "0" },
    working_directory: /models, memory_max: 4G, ready: "/up?x=1", start_timeout_ms: 500, keep: true, start: boot, when_starting: failover }`,
    }),
    { hasServiceManager },
  )
  assert.ok(loaded.ok)
  assert.deepEqual((loaded.config.providers.get('a.b-c_d') as HttpProvider).service, {
    unit: 'llm-gateway-run-a.b-c_d.service',
    run: {
      command: ['/usr/bin/x', '--a=%n', '$HOME', ''],
      environment: new Map([['CUDA_VISIBLE_DEVICES', '0']]),
      workingDirectory: '/models',
      memoryMax: '4G',
    },
    readyPath: '/up?x=1',
    startTimeoutMs: 500,
    isKept: true,
    startsAtBoot: true,
    whenStarting: 'failover',
  })
})

test('groups have defaults, and keep the order of their members', (t) => {
  const text = withServices(
    { b: '{ unit: b.service }', a: '{ unit: a.service }', c: '{ unit: c.service }' },
    'services: { manager: system, groups: { gpu0: { members: [b, a] }, gpu1: { members: [c], max_run_ms: 40000 } } }\n',
  )
  const loaded = loadText(t, text, { hasServiceManager })
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.config.services, {
    manager: 'system',
    groups: new Map([
      ['gpu0', { members: ['b', 'a'], running: 1, minRunMs: 30_000, maxRunMs: 300_000 }],
      ['gpu1', { members: ['c'], running: 1, minRunMs: 30_000, maxRunMs: 40_000 }],
    ]),
  })
})

test('each service without systemd is refused, with what to do', (t) => {
  const text = withServices({ a: '{ unit: a.service }', b: '{ unit: b.service }' })
  const loaded = loadText(t, text, { hasServiceManager: false })
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.map(({ path, line }) => [path, line]),
    [
      ['providers.a.service', 2],
      ['providers.b.service', 3],
    ],
  )
  const [problem] = loaded.problems
  assert.match(problem!.message, /systemd does not run this machine/)
  assert.match(problem!.hint, /start the server yourself and remove service; in a container/)
  const none = loadText(t, withServices({ a: '{ unit: a.service }' }).replace(/, service.*\}/, ' }'), {
    hasServiceManager: false,
  })
  assert.ok(none.ok)
})

test('a unit is one that the gateway may start and stop', (t) => {
  for (const [unit, expected] of [
    ['llama', /service\.unit: must be the full name of a service unit/],
    ['llama.socket', /must be the full name of a service unit/],
    ['"a/b.service"', /must be the full name of a service unit/],
    ['"%n.service"', /must be the full name of a service unit/],
    ['"-a.service"', /must be the full name of a service unit/],
    ['"--root=x.service"', /must be the full name of a service unit/],
    ['"a b.service"', /must be the full name of a service unit/],
    ['"@.service"', /must be the full name of a service unit/],
    [`${'x'.repeat(250)}.service`, /must have at most 255 characters/],
    ['x@.service', /"x@\.service" is a template, which can only be started as an instance/],
    ['llm-gateway.service', /has the name of a unit of the gateway, which would stop itself/],
    ['llm-gateway-services.service', /has the name of a unit of the gateway/],
    ['llm-gateway-run-a.service', /has the name of a unit of the gateway/],
  ] as const) {
    one(problems(t, `{ unit: ${unit} }`), expected)
  }
  for (const unit of ['ollama.service', 'a@b@c.service', '"a\\\\x2db.service"', 'A_1:x.y-z@0.service']) {
    assert.deepEqual(problems(t, `{ unit: ${unit} }`), [], unit)
  }
})

test('a service has a unit or a command, and what belongs to it', (t) => {
  for (const [service, expected] of [
    ['{}', /providers\.a\.service: names no server to start/],
    ['a.service', /service: must be a mapping/],
    ['{ unit: a.service, run: [/x] }', /service\.run: unit and run exclude each other/],
    ['{ run: [] }', /service\.run: must not be empty/],
    ['{ run: /x }', /service\.run: must be a list/],
    ['{ run: [x, "--y"] }', /service\.run\[0\]: "x" is not the absolute path of a program/],
    ['{ run: ["/x", "a\\0b"] }', /must not contain a NUL character/],
    ['{ run: ["/x", 8083] }', /service\.run\[1\]: must be text, not 8083/],
    [
      '{ unit: a.service, memory_max: 4G }',
      /service\.memory_max: memory_max applies to run only: "a\.service"/,
    ],
    ['{ unit: a.service, environment: { A: b } }', /environment applies to run only/],
    ['{ unit: a.service, working_directory: /m }', /working_directory applies to run only/],
    ['{ run: [/x], memory_max: 4 GiB }', /memory_max: must be a size such as 4G/],
    ['{ run: [/x], memory_max: 101% }', /memory_max: must be a size such as 4G/],
    ['{ run: [/x], memory_max: infinity }', /memory_max: must be a size such as 4G/],
    ['{ run: [/x], working_directory: models }', /working_directory: must be an absolute path/],
    ['{ run: [/x], environment: { "A-B": c } }', /"A-B" must be the name of an environment variable/],
    ['{ run: [/x], environment: { A: 1 } }', /environment\.A: must be text/],
    [
      '{ run: [/x], environment: { HF_TOKEN: x } }',
      /environment\.HF_TOKEN: all programs of this user can read/,
    ],
    ['{ unit: a.service, ready: health }', /service\.ready: must begin with one \//],
    ['{ unit: a.service, ready: //health }', /service\.ready: must begin with one \//],
    ['{ unit: a.service, ready: "/a b" }', /service\.ready: must begin with one \//],
    ['{ unit: a.service, keep: true, stop_after_idle_ms: 900 }', /has no meaning with keep: true/],
    ['{ unit: a.service, start: never }', /service\.start: must be one of call, boot/],
    ['{ unit: a.service, when_starting: fail }', /when_starting: must be one of wait, failover/],
    ['{ unit: a.service, start_timeout_ms: 0 }', /start_timeout_ms: must be from 100 to 3600000/],
  ] as const) {
    one(problems(t, service), expected)
  }
  one(
    problems(t, '{ run: [/x] }', 'services: { manager: system }\n'),
    /service\.run: run is for the user's service manager only/,
  )
})

test('what people write instead leads to the right key, and is one error', (t) => {
  const group = 'services: { groups: { g: { members: [a, b] } } }\n'
  const b = '{ unit: b.service }'
  for (const [services, rest, path, hint] of [
    [{ a: 'a.service', b }, group, 'providers.a.service', 'write { unit: NAME.service }'],
    [
      { a: '{ unit: a.service, ttl: 300 }', b },
      group,
      'providers.a.service.ttl',
      'write stop_after_idle_ms, in milliseconds',
    ],
    [{ a: '{ cmd: llama-server }' }, '', 'providers.a.service.cmd', 'write run: ['],
    [
      { a: '{ unit: a.service }', b },
      group.replace('[a, b]', '[m, b]'),
      'services.groups.g.members[0]',
      'it is a model: write the name of its provider, a',
    ],
  ] as const) {
    const loaded = loadText(t, withServices(services, rest), { hasServiceManager })
    assert.ok(!loaded.ok)
    assert.deepEqual(
      loaded.problems.map((problem) => [problem.path, problem.hint.slice(0, hint.length)]),
      [[path, hint]],
    )
  }
})

test('a gateway that is a service has units of its own manager started', (t) => {
  const pid = String(process.pid)
  const user = { SYSTEMD_EXEC_PID: pid, MANAGERPID: '7' }
  const system = { SYSTEMD_EXEC_PID: pid }
  const problemsIn = (env: NodeJS.ProcessEnv, rest: string, service = '{ unit: a.service }') =>
    problemsOf(t, withServices({ a: service }, rest), { hasServiceManager, env })
  const ofSystem = 'services: { manager: system }\n'
  one(
    problemsIn(user, ofSystem),
    /^4:13 services\.manager: the gateway is a user service, which cannot have units of the system manager started$/,
  )
  one(problemsIn(system, ''), /^2:.* providers\.a\.service: the gateway is a system service/)
  one(
    problemsIn(system, 'services: { manager: user }\n'),
    /services\.manager: the gateway is a system service/,
  )
  assert.deepEqual(problemsIn(user, ''), [])
  assert.deepEqual(problemsIn(system, ofSystem), [])
  for (const env of [{}, { MANAGERPID: '7' }, { ...user, SYSTEMD_EXEC_PID: '1' }]) {
    assert.deepEqual(problemsIn(env, ofSystem), [], 'started by hand')
  }
  const none = 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
  assert.deepEqual(problemsOf(t, none + ofSystem, { env: user }), [])
})

test('what may be a secret is not shown', (t) => {
  const loaded = loadText(t, withServices({ a: '{ run: [x], environment: { HF_TOKEN: hf_12345 } }' }), {
    hasServiceManager,
  })
  assert.ok(!loaded.ok)
  assert.doesNotMatch(JSON.stringify(loaded), /hf_12345/)
})

test('only a server on this machine is started', (t) => {
  const at = (entry: string) =>
    problemsOf(
      t,
      `providers:\n  a: { ${entry}, service: { unit: a.service } }\nmodels: { m: { provider: a } }\n`,
      {
        hasServiceManager,
      },
    )
  one(at('base_url: "http://192.168.0.5/v1"'), /a\.base_url: a service is started on this machine, and "192/)
  one(at('base_url: "https://api.openai.com/v1"'), /a\.base_url: a service is started on this machine/)
  one(at('base_url: "http://gpu.lan:8080/v1"'), /a\.base_url: a service is started on this machine/)
  one(at('kind: anthropic'), /providers\.a\.service: a service is started on this machine/)
  one(at('base_url: "http://169.254.0.1/v1"'), /link-local/)
  one(at('base_url: "http://0.0.0.0:8081/v1"'), /is not the address of a server/)
  one(
    at('base_url: "http://127.0.0.1:8081/v1", proxy: "http://127.0.0.1:3128"'),
    /a\.proxy: cannot lead to a server on this machine/,
  )
  one(at('kind: echo'), /does not apply to a provider of kind echo/)
  for (const url of ['http://localhost:1/v1', 'http://[::1]:1/v1', 'https://127.0.0.2:1/v1']) {
    assert.deepEqual(
      at(`base_url: "${url}", proxy: none, discover_models: true, health_check: true`),
      [],
      url,
    )
  }
})

test('a unit belongs to one provider, and a port to one server at a time', (t) => {
  const twice = withServices({ a: '{ unit: x.service }', b: '{ unit: x.service }' })
  one(
    problemsOf(t, twice, { hasServiceManager }),
    /^3:.* providers\.b\.service\.unit: "x\.service" is the unit of .* "a"/,
  )
  const onePort = withServices({ a: '{ unit: x.service }', b: '{ unit: y.service }' }).replace('8082', '8081')
  one(
    problemsOf(t, onePort, { hasServiceManager }),
    /^3:.* providers\.b\.base_url: the server of the provider "a"/,
  )
  const inTurn = `${onePort}services: { groups: { g: { members: [a, b] } } }\n`
  assert.deepEqual(problemsOf(t, inTurn, { hasServiceManager }), [])
})

test('each member of a group can get its turn', (t) => {
  const grouped = (groups: string, more = ['', '', '']) =>
    problemsOf(
      t,
      withServices(
        Object.fromEntries(
          ['a', 'b', 'c'].map((name, index) => [name, `{ unit: ${name}.service${more[index]} }`]),
        ),
        `services: { groups: ${groups} }\n`,
      ).replace('models:', '  d: { base_url: "http://127.0.0.1:9000/v1" }\nmodels:'),
      { hasServiceManager },
    )
  for (const [groups, expected] of [
    ['{ g: {} }', /services\.groups\.g: needs the key "members"/],
    ['{ g: [a, b] }', /services\.groups\.g: must be a mapping/],
    ['{ g: { members: [] } }', /members: must not be empty/],
    ['{ g: { members: [a, bb] } }', /members\[1\]: there is no provider "bb"/],
    ['{ g: { members: [a, d] } }', /members\[1\]: the provider "d" has no service/],
    ['{ g: { members: [a, b, a] } }', /members\[2\]: "a" stands twice/],
    [
      '{ g: { members: [a, b] }, h: { members: [b, c] } }',
      /h\.members\[0\]: "b" is a member of the group "g" already/,
    ],
    ['{ g: { members: [a, b], running: 0 } }', /running: must be from 1 to 1000/],
    ['{ g: { members: [a, b], running: 2 } }', /running: has no effect: all 2 members may run at once/],
    [
      '{ g: { members: [a, b], min_run_ms: 600000 } }',
      /min_run_ms: must not be more than max_run_ms \(300000\)/,
    ],
    [
      '{ g: { members: [a, b], max_run_ms: 1000 } }',
      /min_run_ms: must not be more than max_run_ms \(1000\), not 30000/,
    ],
  ] as const) {
    one(grouped(groups), expected)
  }
  const all = '{ g: { members: [a, b, c], running: 2 } }'
  const keep = ', keep: true'
  const boot = ', start: boot'
  assert.deepEqual(grouped(all, [keep, '', '']), [])
  one(grouped(all, [keep, keep, '']), /g\.running: 2 members with keep: true would leave no room/)
  one(grouped(all, [keep, keep, keep]), /g\.running: 3 members with keep: true would leave no room/)
  assert.deepEqual(grouped(all, [boot, boot, '']), [])
  one(grouped(all, [boot, boot, boot]), /g\.running: 3 members with start: boot do not all fit/)
})
