import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'

import { doctorCommand, type DoctorOptions } from '../../../src/cli/doctor/doctor.ts'
import { Progress } from '../../../src/cli/doctor/progress.ts'
import { systemClock } from '../../../src/platform/clock.ts'
import type { RunProgram } from '../../../src/systemd/programs.ts'
import { servicePaths } from '../../../src/systemd/scope.ts'
import { recordedIo } from '../../support/command-io.ts'
import { compileCacheEnv } from '../../support/compile-cache.ts'
import { scratchDirectory, writeScratch } from '../../support/config-file.ts'
import { startGatewayProcess } from '../../support/gateway-process.ts'
import { findKey } from '../../support/key-forms.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { refusingUrl, startUpstream, type ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { json, sse } from '../../support/upstream-script.ts'

const root = join(import.meta.dirname, '../../..')
const launcher = join(root, 'bin/llm-gateway')
const script = join(root, 'scripts/validate-backend.sh')
const key = 'sk-Rr7Qe2RtYk90Lm'
const noSystemd: RunProgram = () => ({ status: undefined, stdout: '', stderr: 'ENOENT' })

/** A configuration of one provider; port 1 is nobody's to take, and so no other test's. */
function yamlFor(url: string, apiKey = '{ env: CLOUD_KEY }'): string {
  return `server: { hosts: [127.0.0.1], port: 1 }
providers:
  cloud: { base_url: "${url}/v1", api_key: ${apiKey} }
models:
  m: { provider: cloud }
`
}

async function workingUpstream(t: TestContext): Promise<ScriptedUpstream> {
  const upstream = await startUpstream(t)
  const last = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
  const usage = '{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}'
  upstream.respondAlways(({ method }) =>
    method === 'GET' ? json(200, { data: [{ id: 'm' }] }) : sse([last, usage, '[DONE]']),
  )
  return upstream
}

interface Run extends Partial<DoctorOptions> {
  readonly isTTY?: boolean
  readonly env?: NodeJS.ProcessEnv
}

async function run(t: TestContext, text: string, { isTTY = false, env = {}, ...options }: Run = {}) {
  const config = writeScratch(t, text)
  const io = recordedIo({ CLOUD_KEY: key, ...env }, isTTY)
  const asked = {
    config,
    isJson: false,
    isStrict: false,
    mayCall: true,
    timeoutMs: 5_000,
    providers: [],
    ...options,
  }
  const paths = servicePaths('user', { HOME: scratchDirectory(t) })
  const parts = { version: '1', paths, run: noSystemd, clock: systemClock }
  const status = await doctorCommand(io, asked, parts)
  assert.deepEqual(findKey(io.written.stdout + io.written.stderr, key), [])
  return { status, config, ...io.written }
}

interface Report {
  readonly ok: boolean
  readonly config: string
  readonly checks: readonly {
    area: string
    subject: string
    state: string
    fix: string | null
    [figure: string]: unknown
  }[]
}

/** May a port below 1024 be had? Then port 1 is free, and else it fails: both are facts of the machine. */
function withoutPort(report: Report): Report['checks'] {
  return report.checks.filter(({ area }) => area !== 'port')
}

suite('the table', () => {
  test('has a row for each check, and its columns are aligned', async (t) => {
    const upstream = await workingUpstream(t)
    const { stdout, stderr } = await run(t, yamlFor(upstream.url))
    assert.equal(stderr, '')
    const rows = stdout.split('\n').filter((line) => /^(ok|warn|fail|skipped|state) /.test(line))
    assert.ok(rows.length > 10)
    const column = rows[0]!.indexOf('result')
    assert.ok(
      rows.every((row) => row[column - 1] === ' ' && row[column] !== ' '),
      stdout,
    )
    assert.match(stdout, /^ok +cloud: streaming +m: 3 events/m)
  })

  test('has the fix below the finding', async (t) => {
    const { status, stdout } = await run(t, yamlFor(await refusingUrl(t)))
    assert.equal(status, 1)
    assert.match(stdout, /^fail +cloud: reachable .*\n +→ .*http/m)
    assert.match(stdout, /^[12] failures?, \d+ warnings?, \d+ ok, \d+ skipped$/m)
  })

  test('has colours on a terminal only, and nothing of a provider steers it', async (t) => {
    const upstream = await startUpstream(t)
    upstream.respond(json(200, { data: [{ id: '\u001b[2Jx\u202e' }] }))
    const { stdout, stderr } = await run(t, yamlFor(upstream.url), { isTTY: true })
    assert.ok(stdout.includes('\u001b[31m'), 'it is coloured')
    assert.ok(!(stdout + stderr).includes('\u001b[2J') && !stdout.includes('\u202e'))
    assert.match(stderr, /waiting for cloud: /)
  })
})

suite('JSON', () => {
  test('has every check, and standard output has nothing else', async (t) => {
    const upstream = await workingUpstream(t)
    const { stdout, stderr, config } = await run(t, yamlFor(upstream.url), { isJson: true })
    const report = JSON.parse(stdout) as Report
    assert.equal(report.config, config)
    assert.equal(stderr, '')
    const first = report.checks.find(({ subject }) => subject === 'cloud: first byte')
    assert.equal(typeof first?.['firstByteMs'], 'number')
    assert.equal(first?.['provider'], 'cloud')
    assert.deepEqual([...new Set(withoutPort(report).map(({ state }) => state))].toSorted(), [
      'ok',
      'skipped',
    ])
  })

  test('of a configuration with problems has their paths, and what can be looked at', async (t) => {
    const { status, stdout } = await run(
      t,
      'providers: { e: { kind: echo } }\nmodels: { m: { provider: x } }\n',
      {
        isJson: true,
      },
    )
    assert.equal(status, 1)
    const { ok, checks } = JSON.parse(stdout) as Report
    assert.equal(ok, false)
    const problem = checks.find(({ area, state }) => area === 'config' && state === 'fail')
    assert.deepEqual([problem?.subject, problem?.['line'], problem?.['column']], ['models.m.provider', 2, 26])
    for (const area of ['runtime', 'files', 'service', 'port']) {
      assert.ok(
        checks.some((check) => check.area === area && check.subject !== 'all'),
        area,
      )
    }
  })
})

suite('a file that is not trusted', () => {
  test('is reported once, with a command that can be typed', async (t) => {
    const config = writeScratch(t, 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n')
    chmodSync(config, 0o666)
    const { status, stdout } = await run(t, '', { config, isJson: true })
    assert.equal(status, 1)
    const fails = withoutPort(JSON.parse(stdout) as Report).filter(({ state }) => state === 'fail')
    assert.deepEqual(
      fails.map(({ area, fix }) => [area, fix]),
      [['config', `chmod go-w ${config}`]],
    )
  })

  test('is reported once when it holds a key', async (t) => {
    const secret = writeScratch(t, key)
    chmodSync(secret, 0o644)
    const upstream = await workingUpstream(t)
    const text = yamlFor(upstream.url, `{ file: ${secret} }`)
    const { stdout } = await run(t, text, { isJson: true })
    const fails = withoutPort(JSON.parse(stdout) as Report).filter(({ state }) => state === 'fail')
    assert.deepEqual(
      fails.map(({ area, fix }) => [area, fix]),
      [['credentials', `chmod 600 ${secret}`]],
    )
  })

  test('comes without a fix when it is not a regular file', async (t) => {
    const { stdout } = await run(t, '', { config: '/dev/null', isJson: true })
    const { checks } = JSON.parse(stdout) as Report
    assert.ok(
      checks.every(({ fix }) => fix?.includes('/dev/null') !== true),
      stdout,
    )
    const finding = checks.find(({ area }) => area === 'config')
    assert.equal(finding?.state, 'fail')
    assert.match(String(finding?.['detail']), /^\/dev\/null: .*device/)
  })
})

suite('the exit status', () => {
  const warned =
    'cors: { allow_all: true }\nproviders: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
  // A port that nobody has: the system chooses.
  const env = { LLM_GATEWAY_PORT: '0' }

  test('is 0 with warnings, and 1 for them when they count', async (t) => {
    assert.equal((await run(t, warned, { env })).status, 0)
    assert.equal((await run(t, warned, { env, isStrict: true })).status, 1)
  })

  test('is 2 for a provider that is not configured, with the nearest name', async (t) => {
    const { status, stdout, stderr } = await run(t, warned, { env, providers: ['f'] })
    assert.deepEqual([status, stdout], [2, ''])
    assert.match(stderr, /^error: .*"f".*"e"\?\n$/)
  })
})

test('--provider asks no other one', async (t) => {
  const [one, other] = [await workingUpstream(t), await workingUpstream(t)]
  const text = yamlFor(one.url).replace('models:', `  other: { base_url: "${other.url}/v1" }\nmodels:`)
  await run(t, text, { providers: ['cloud'] })
  assert.deepEqual([one.requests.length, other.requests.length], [2, 0])
})

test('with unsafe settings of Node no key goes out', async (t) => {
  const upstream = await workingUpstream(t)
  const { status } = await run(t, yamlFor(upstream.url), { env: { NODE_TLS_REJECT_UNAUTHORIZED: '0' } })
  assert.equal(status, 1)
  assert.equal(upstream.connections, 0)
})

test('on a terminal a wait is shown on one line, which is erased', () => {
  const io = recordedIo({}, true)
  const progress = new Progress(io, new FakeClock())
  progress.wait('p', 'x'.repeat(200))
  progress.done('p')
  const { stderr } = io.written
  assert.ok(stderr.endsWith('\r\u001b[K') && !stderr.includes('\n'))
  assert.ok(stderr.length < 100)
})

test('a terminal without a width is written to all the same', () => {
  const io = recordedIo({}, true)
  const progress = new Progress(
    { ...io, stderr: { ...io.stderr, columns: 0 } as typeof io.stderr },
    new FakeClock(),
  )
  progress.wait('p', 'its list of models')
  progress.done('p')
  assert.match(io.written.stderr, /p: its list of models … 0 s/)
})

const execute = promisify(execFile)

async function start(program: string, args: readonly string[], cwd: string) {
  const own = { HOME: cwd, CLOUD_KEY: key, LLM_GATEWAY_PORT: '0' }
  const env = { ...compileCacheEnv, PATH: process.env['PATH'], ...own }
  const ended = await execute(program, args, { env, cwd }).then(
    (written) => ({ ...written, status: 0 }),
    (error: { code: number; stdout: string; stderr: string }) => ({ ...error, status: error.code }),
  )
  assert.deepEqual(findKey(ended.stdout + ended.stderr, key), [])
  return ended
}

suite('as a process', () => {
  test('it ends with 0, 1 or 2', async (t) => {
    const upstream = await workingUpstream(t)
    const config = writeScratch(t, yamlFor(upstream.url))
    const folder = scratchDirectory(t)
    assert.equal((await start(launcher, ['doctor', '--config', config, '--user'], folder)).status, 0)
    upstream.respondAlways(json(401, { error: { message: `no ${key}` } }))
    assert.equal((await start(launcher, ['doctor', '--config', config, '--user'], folder)).status, 1)
    assert.equal((await start(launcher, ['doctor', '--timeout', 'soon'], folder)).status, 2)
  })

  test('a reader that closes the pipe early is no failure', async (t) => {
    const config = writeScratch(t, 'providers: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n')
    const command = `"${launcher}" doctor --user --config "${config}" | true`
    const { stderr } = await start('sh', ['-c', command], scratchDirectory(t))
    assert.equal(stderr, '')
  })
})

suite('scripts/validate-backend.sh', () => {
  test('checks file and providers from any folder, and passes options on', async (t) => {
    const upstream = await workingUpstream(t)
    const config = writeScratch(t, yamlFor(upstream.url))
    const folder = scratchDirectory(t)
    mkdirSync(join(folder, 'else where'))
    const { status, stdout, stderr } = await start(
      script,
      [config, '--json', '--no-calls', '--user'],
      join(folder, 'else where'),
    )
    assert.equal(status, 0, stdout + stderr)
    assert.equal((JSON.parse(stdout) as Report).ok, true)
    assert.match(stderr, /: 1 model, 1 provider\n$/)
    assert.deepEqual([upstream.connections, upstream.requests.length], [1, 0])
  })

  test('ends with 1 for a configuration with problems, all of which are reported', async (t) => {
    const config = writeScratch(t, 'providers: { e: { kind: echo } }\nmodels: { m: { provider: x } }\n')
    const { status, stdout, stderr } = await start(
      script,
      ['--config', config, '--user'],
      scratchDirectory(t),
    )
    assert.equal(status, 1)
    assert.match(stderr, /: 1 problem\n/)
    assert.match(stdout, /^fail +config: models\.m\.provider/m)
  })

  test('ends with 2 for invalid usage, and -h prints the usage', async (t) => {
    const folder = scratchDirectory(t)
    assert.equal((await start(script, ['--nonsense'], folder)).status, 2)
    const { status, stdout } = await start(script, ['-h'], folder)
    assert.equal(status, 0)
    assert.match(stdout, /^usage: .*validate-backend\.sh/)
  })
})

suite('the state directory', () => {
  test('is that of the running gateway, which another environment than this one has named', async (t) => {
    const state = join(scratchDirectory(t), 'state')
    const { gateway } = await startGatewayProcess(
      t,
      { providers: { e: { kind: 'echo' } } },
      {
        STATE_DIRECTORY: state,
      },
    )
    const text = `server: { hosts: [127.0.0.1], port: ${new URL(gateway.url).port} }
providers: { e: { kind: echo } }
models: { m: { provider: e } }
`
    const { stdout } = await run(t, text, { env: { HOME: scratchDirectory(t) } })
    const [line = ''] = /^.*state directory.*$/m.exec(stdout) ?? []
    assert.ok(line.includes(`${state}, of the running gateway (pid ${gateway.pid}, user `), line)
  })

  test('is that of a gateway which this user starts, if there is no other', async (t) => {
    const home = scratchDirectory(t)
    const text = 'server: { port: 1 }\nproviders: { e: { kind: echo } }\nmodels: { m: { provider: e } }\n'
    const { stdout } = await run(t, text, { env: { HOME: home } })
    const [line = ''] = /^.*state directory.*$/m.exec(stdout) ?? []
    assert.ok(line.includes(`${home}/.local/state/llm-gateway, of a gateway that user `), line)
  })
})
