// An operator's commands and what they print.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { parse } from 'yaml'

import { loadConfig } from '../../src/config/load.ts'
import type { RawConfig } from '../../src/config/raw.ts'
import { explainCommand } from '../../src/cli/explain.ts'
import { limitsCommand } from '../../src/cli/limits.ts'
import { validateConfigCommand } from '../../src/cli/validate-config.ts'
import { startLimited } from '../flows/limited.ts'
import { programFile } from '../support/built-checkout.ts'
import { chat, report } from '../support/calls.ts'
import { whole } from '../support/chat-content.ts'
import { startGateway } from '../support/app.ts'
import { configText, echo } from '../support/gateway-config.ts'
import { startGatewayProcess } from '../support/gateway-process.ts'
import { refusingUrl, startUpstream } from '../support/scripted-upstream.ts'
import { json } from '../support/upstream-script.ts'
import { recordedIo } from '../support/command-io.ts'
import { loadText, scratchDirectory, writeScratch } from '../support/config-file.ts'

const root = join(import.meta.dirname, '../..')

/** `line:column path ~ message (hint)` of each problem. */
function problems(t: TestContext, text: string, env: NodeJS.ProcessEnv = {}): string[] {
  const loaded = loadText(t, text, { env })
  const found = loaded.ok ? loaded.warnings : loaded.problems
  return found.map(
    ({ line, column, path, message, hint }) => `${line}:${column} ${path} ~ ${message} (${hint})`,
  )
}

const cloud = (key: string) => `providers:
  openai: { base_url: "https://api.openai.com/v1", api_key: ${key} }
models:
  m: { provider: openai }
`

suite('problems of a configuration', () => {
  test('an unquoted variable within braces is one problem, with the words to write', (t) => {
    assert.deepEqual(problems(t, cloud('${OPENAI_API_KEY}'), { OPENAI_API_KEY: 'sk-1' }), [
      '2:61  ~ ${OPENAI_API_KEY} must be in quotes here (write { env: OPENAI_API_KEY })',
    ])
    assert.deepEqual(problems(t, cloud('{ env: ${OPENAI_API_KEY} }')), [
      '2:68  ~ ${OPENAI_API_KEY} must be in quotes here (write OPENAI_API_KEY)',
    ])
    const elsewhere = cloud('{ env: A }, headers: { x-a: ${A}, x-b: v${B} }').replace('m:', 'm: [')
    assert.deepEqual(problems(t, elsewhere), [
      '2:89  ~ ${A} must be in quotes here (write "${A}")',
      '2:101  ~ ${B} must be in quotes here (put the whole text in quotes)',
      '4:6  ~ the list that begins here is not closed (add a ])',
    ])
  })

  test('a variable as a key is answered with the reference to write', (t) => {
    const isSet = problems(t, cloud('"${OPENAI_API_KEY}"'), { OPENAI_API_KEY: 'sk-1' })
    assert.equal(isSet.length, 1)
    assert.match(isSet[0]!, /must not be written in this file \(write \{ env: OPENAI_API_KEY \}\)$/)
    assert.match(problems(t, cloud('"${KEY}"')).join(), /KEY is not set \(write \{ env: KEY \}\)$/)
  })

  test("a key file in the user's home directory is found", (t) => {
    const home = scratchDirectory(t)
    mkdirSync(join(home, 'keys'))
    writeFileSync(join(home, 'keys/openai'), 'sk-1\n', { mode: 0o600 })
    const loaded = loadConfig(writeScratch(t, cloud('{ file: ~/keys/openai }')), { env: { HOME: home } })
    assert.ok(loaded.ok)
    const provider = loaded.config.providers.get('openai')!
    assert.ok(provider.kind !== 'echo')
    assert.equal(provider.apiKey?.reveal(), 'sk-1')
    assert.equal(provider.apiKey.source, `file ${home}/keys/openai`)
  })

  test('a configuration of LiteLLM is one problem, with the command that imports it', (t) => {
    const text = `model_list:
  - model_name: gpt
    litellm_params: { model: openai/gpt-5, api_key: os.environ/KEY, rpm: 100 }
router_settings: { num_retries: 2 }
`
    const [problem, ...others] = problems(t, text)
    assert.deepEqual(others, [])
    assert.match(
      problem!,
      /^1:1 model_list ~ this is a configuration file of LiteLLM, not of llm-gateway \(llm-gateway import FILE /,
    )
  })

  test('a limit beside a model is answered with the place where limits stand', (t) => {
    const text = 'providers: { p: { kind: echo } }\nmodels: { m: { provider: p, rpm: 100 } }\n'
    const [problem] = problems(t, text)
    assert.match(problem!, /^2:29 models\.m\.rpm ~ unknown key "rpm" \(limits stand in rate_limit_settings/)
  })

  test('a provider that does not exist is reported although "providers" is missing', (t) => {
    assert.deepEqual(problems(t, 'models:\n  a: { provider: nope }\n'), [
      '1:1  ~ needs the key "providers" ()',
      '2:18 models.a.provider ~ there is no provider "nope" ()',
    ])
    const withoutModels =
      'rate_limit_settings: { limits: { x: { rpm: 1 } } }\nproviders: { p: { kind: echo } }\n'
    assert.deepEqual(problems(t, withoutModels), [
      '1:1  ~ needs the key "models" ()',
      '1:34 rate_limit_settings.limits.x ~ there is no model "x" ()',
    ])
  })
})

test('LLM_GATEWAY_UPSTREAM_TIMEOUT_MS does not concern the built-in echo', (t) => {
  const text = `providers: { echo: { kind: echo }, local: { base_url: "http://127.0.0.1:9/v1" } }
models: { m: { provider: echo } }
`
  const loaded = loadText(t, text, { env: { LLM_GATEWAY_UPSTREAM_TIMEOUT_MS: '60000' } })
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.raw.providers?.['echo'], { kind: 'echo' })
  const local = loaded.config.providers.get('local')!
  assert.equal(local.kind === 'echo' ? 0 : local.timeouts.firstByteMs, 60_000)
})

suite('the package', () => {
  test('contains no packages of others, and every file that its documents link to', async () => {
    const files = await packedFiles()
    assert.deepEqual(
      files.filter((file) => file.includes('node_modules/')),
      [],
    )
    const documents = files.filter((file) => file.endsWith('.md'))
    assert.ok(documents.includes('README.md'))
    for (const document of documents) {
      const links = readFileSync(join(root, document), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)
      const linked = Array.from(links, ([, link = '']) => join(dirname(document), link))
      assert.deepEqual(
        linked.filter((path) => !files.includes(path)),
        [],
        document,
      )
    }
  })

  test('states where it runs, and brings no packages', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual([manifest['engines'], manifest['os']], [{ node: '>=24' }, ['!win32']])
    assert.equal(manifest['bundleDependencies'], undefined)
  })

  async function packedFiles(): Promise<string[]> {
    // npm passes its own settings on to the npm that is started here.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name)))
    const path = [dirname(process.execPath), env['PATH']].join(delimiter)
    const args = ['pack', '--dry-run', '--json', '--ignore-scripts', '--no-update-notifier']
    const options = { cwd: root, env: { ...env, PATH: path }, maxBuffer: 16 * 1024 * 1024 }
    const { stdout } = await promisify(execFile)('npm', args, options)
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }]
    return files.map((file) => file.path)
  }
})

test('a checkout without its packages asks for npm ci, also where the machine has Node.js 24', async (t) => {
  const checkout = scratchDirectory(t)
  for (const name of ['bin', 'src']) cpSync(join(root, name), join(checkout, name), { recursive: true })
  const env = { PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) }
  for (const args of [['--help'], ['serve'], ['validate-config']]) {
    await assert.rejects(promisify(execFile)(join(checkout, 'bin/llm-gateway'), args, { env }), {
      code: 1,
      stdout: '',
      stderr: `llm-gateway: its packages are not installed; run: (cd '${checkout}' && npm ci), which also installs Node.js\n`,
    })
  }
})

suite('a port that is in use', () => {
  async function reasonAt(t: TestContext, url: string): Promise<string> {
    const { port } = new URL(url)
    const file = writeScratch(t, configText({ ...echo }))
    const env = { PATH: process.env['PATH'], HOME: scratchDirectory(t), LLM_GATEWAY_PORT: port }
    const args = [programFile, 'serve', '--config', file]
    const failure: unknown = await promisify(execFile)(process.execPath, args, { env }).catch(
      (error: unknown) => error,
    )
    const { code, stderr } = failure as { code: number; stderr: string }
    assert.equal(code, 1)
    return stderr.replace(port, 'PORT')
  }

  test('by another gateway is reported as that, with its process', async (t) => {
    const { gateway } = await startGatewayProcess(t, echo)
    assert.equal(
      await reasonAt(t, gateway.url),
      `llm-gateway cannot start: 127.0.0.1:PORT is in use by another gateway (pid ${gateway.pid}). Stop it, or set server.port (or LLM_GATEWAY_PORT) to a free port.\n`,
    )
  })

  test('by another program is reported with its name and process', async (t) => {
    const upstream = await startUpstream(t)
    upstream.respondAlways(json(200, { status: 'ok' }))
    const name = readFileSync('/proc/self/comm', 'utf8').trim()
    assert.match(
      await reasonAt(t, upstream.url),
      new RegExp(`127\\.0\\.0\\.1:PORT is in use by ${name} \\(pid ${process.pid}\\)\\. Stop it, or `),
    )
  })
})

suite('limits', () => {
  test('lists of models and limits are not counted, and have a bound of their own', async (t) => {
    const { gateway } = await startLimited(t, { per_client: { rpm: 2 } })
    await chat(gateway, 'small')
    await chat(gateway, 'small')
    const status = async (path: string) => {
      const response = await fetch(gateway.url + path)
      await response.arrayBuffer()
      return response.status
    }
    for (let request = 0; request < 600; request++) {
      assert.deepEqual([await status('/v1/models'), await status('/limits')], [200, 200])
    }
    assert.equal((await chat(gateway, 'small')).status, 429)
    assert.equal(await status('/v1/models'), 429, 'the 1,201st in a minute')
  })

  test('/v1/limits says when the next call fits, and when the window is empty', async (t) => {
    const { gateway, clock, upstream } = await startLimited(t, { limits: { small: { rpm: 2, tpm: 1000 } } })
    upstream.respond(whole({ prompt_tokens: 900, completion_tokens: 100, total_tokens: 1000 }))
    await chat(gateway, 'small')
    clock.advance(20_000)
    const before = await report(gateway)
    assert.deepEqual(before.next_ms, { requests: 0, tokens: 40_000 })
    clock.advance(40_000)
    await chat(gateway, 'small')
    clock.advance(1_000)
    await chat(gateway, 'small')
    const { next_ms: nextMs, reset_ms: resetMs } = await report(gateway)
    assert.deepEqual([nextMs['requests'], resetMs['requests']], [59_000, 60_000])
  })

  test('the command `limits` prints them as a table', async (t) => {
    const { gateway } = await startLimited(t, { limits: { small: { rpm: 1, max_parallel_requests: 4 } } })
    await chat(gateway, 'small')
    const { port } = new URL(gateway.url)
    const config = writeScratch(t, cloud('{ env: KEY }') + `server: { hosts: [127.0.0.1], port: ${port} }\n`)
    const io = recordedIo()
    assert.equal(await limitsCommand(io, { config, json: false }), 0)
    const [head, row] = io.written.stdout.split('\n')
    assert.match(head!, /^model +requests +tokens +parallel +waiting +next call$/)
    assert.match(row!, /^small +1\/1 +\d+\/∞ +0\/4 +0 +in 60 s$/)

    await gateway.stop()
    assert.equal(await limitsCommand(io, { config, json: true }), 1)
    assert.match(io.written.stderr, /^error: no gateway answers at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)/)
  })
})

suite('a key that `credential set` has stored for the service', () => {
  const key = '{ credential: openai_api_key }'

  /** A home with the key in its store, and with the drop-in that passes it to the service. */
  function homeWithKey(t: TestContext): string {
    const home = scratchDirectory(t)
    const store = join(home, '.config/llm-gateway/credentials')
    const dropIns = join(home, '.config/systemd/user/llm-gateway.service.d')
    for (const directory of [store, dropIns]) mkdirSync(directory, { recursive: true, mode: 0o700 })
    writeFileSync(join(store, 'openai_api_key'), 'sk-1', { mode: 0o600 })
    writeFileSync(
      join(dropIns, '50-credentials.conf'),
      `LoadCredential=openai_api_key:${store}/openai_api_key\n`,
    )
    return home
  }

  test('is known to validate-config and explain', async (t) => {
    const config = writeScratch(t, cloud(key))
    const io = recordedIo({ HOME: homeWithKey(t) })
    assert.equal(await validateConfigCommand(io, config, { json: false }), 0, io.written.stderr)
    assert.equal(await explainCommand(io, 'm', { config, json: false }), 0)
    assert.match(
      io.written.stdout,
      /key +credential openai_api_key \(stored, only available to the service\)/,
    )
  })

  test('is missing where it is not stored, and to the service itself', async (t) => {
    const config = writeScratch(t, cloud(key))
    for (const env of [
      { HOME: scratchDirectory(t) },
      { HOME: homeWithKey(t), CREDENTIALS_DIRECTORY: '/none' },
    ]) {
      const io = recordedIo(env)
      assert.equal(await validateConfigCommand(io, config, { json: false }), 1)
      assert.match(io.written.stderr, /secret not found: looked for credential openai_api_key/)
    }
  })

  test('is known to validate-backend.sh', async (t) => {
    const upstream = await startUpstream(t)
    upstream.respondAlways(json(200, { data: [{ id: 'm' }] }))
    const text = cloud(key).replace('https://api.openai.com/v1', `${upstream.url}/v1`)
    const config = writeScratch(t, `server: { hosts: [127.0.0.1], port: 43219 }\n${text}`)
    const script = join(root, 'scripts/validate-backend.sh')
    const env = { PATH: process.env['PATH'], HOME: homeWithKey(t) }
    const { stdout } = await promisify(execFile)('sh', [script, config, '--user', '--no-calls'], { env })
    assert.match(stdout, /stored as credential openai_api_key .*only available to the service/)
  })
})

test('the shipped example starts without a warning while none of its local servers runs', async (t) => {
  const text = readFileSync(join(root, 'config/llm-gateway.yaml'), 'utf8')
  const { providers = {}, models = {} } = parse(text) as RawConfig
  const away = { base_url: `${await refusingUrl(t)}/v1` }
  for (const provider of Object.values(providers)) if (provider.kind !== 'echo') Object.assign(provider, away)
  const { gateway } = await startGateway(t, { providers, models })
  for (const provider of ['ollama', 'vllm', 'llama-cpp', 'lmstudio']) {
    const { level } = await gateway.logged({ event: 'discovery_failed', provider })
    assert.equal(level, 'INFO', provider)
  }
})

suite('the log line of a call', () => {
  test('on a terminal has the local time, and is short unless the call failed', async (t) => {
    const env = { TZ: 'Asia/Kathmandu' }
    const { gateway, upstream } = await startGatewayProcess(t, { logging: { format: 'pretty' } }, env)
    const usage = { prompt_tokens: 12, completion_tokens: 3, total_tokens: 15 }
    upstream.respond(whole(usage))
    const before = Date.now()
    await chat(gateway, 'short')
    const line = await gateway.says(/.* call .*\n/)
    assert.match(
      line,
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}call client=\S+ model=renamed asked=short provider=scripted status=200 prompt_tokens=12 completion_tokens=3 duration_ms=\d+\n$/,
    )
    // 5:45 hours before UTC, in the same second or the next ones.
    const clockAt = (ms: number) => new Date(ms + 20_700_000).toISOString().slice(11, 23)
    const [time, first, last] = [line.slice(0, 12), clockAt(before), clockAt(Date.now())]
    assert.ok(first <= last ? first <= time && time <= last : first <= time || time <= last, time)

    upstream.respond(json(400, { error: { message: 'no' } }))
    await chat(gateway, 'plain')
    await gateway.says(/ WARN {2}call request_id=.* target_model=plain .*gateway_ms=\d+ /)
  })

  test('names the model by its own name, and the alias that was asked for', async (t) => {
    const { gateway } = await startLimited(t, {})
    await chat(gateway, 'short')
    const { model, asked } = await gateway.logged({ event: 'call' })
    assert.deepEqual([model, asked], ['small', 'short'])
  })

  test('says why a fallback was passed over', async (t) => {
    const models = { small: { provider: 'scripted', fallbacks: ['other'] }, other: { provider: 'scripted' } }
    const { gateway, upstream } = await startLimited(t, { limits: { other: { rpm: 1 } } }, { models })
    await chat(gateway, 'other')
    upstream.respond(json(500, {}))
    assert.equal((await chat(gateway, 'small')).status >= 500, true)
    const { passed_over: passedOver } = await gateway.logged({ model: 'small' })
    assert.match(String(passedOver), /^Rate limit reached for other on requests per min/)
  })
})
