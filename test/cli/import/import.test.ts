import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'

import { scratchDirectory } from '../../support/config-file.ts'
import { runCommand } from '../../support/run-command.ts'
import { fixtures, importFile, importFixture, importText, loaded } from './import-scene.ts'

const lite = (models: string) => `model_list:\n${models}`
const local = (more = '') =>
  lite(
    `  - { model_name: m, litellm_params: { model: openai/x, api_base: "http://127.0.0.1:9/v1"${more} } }\n`,
  )

describe('every sample', () => {
  for (const name of [
    'litellm.yaml',
    'llama-swap.yaml',
    'olla.yaml',
    'llm-router.json',
    'claude-code-router.json',
  ]) {
    test(`${name} becomes a valid file for its user alone, without the keys of the source`, (t) => {
      for (const withCommands of [false, true]) {
        const { status, out, text, stdout, stderr } = importFixture(t, name, { withCommands })
        assert.equal(status, 0, stderr)
        assert.ok(Object.keys(loaded(out).providers ?? {}).length >= 3)
        assert.equal(statSync(out).mode & 0o777, 0o600)
        assert.match(readFileSync(join(fixtures, name), 'utf8'), /literal-/)
        assert.doesNotMatch(text + stdout + stderr, /literal-/)
      }
    })
  }
})

describe('the file', () => {
  test('is not written over another one, except by --force', (t) => {
    const out = join(scratchDirectory(t), 'gateway.yaml')
    writeFileSync(out, 'mine', { mode: 0o644 })
    const refused = importText(t, local(), { out })
    assert.deepEqual([refused.status, refused.text], [1, 'mine'])
    assert.match(refused.stderr, /exists; name another file with --out, or replace it with --force/)
    const forced = importText(t, local(), { out, force: true })
    assert.equal(forced.status, 0)
    assert.match(forced.text, /provider: local-9/)
    assert.equal(statSync(out).mode & 0o777, 0o600)
    const copy = /^The file as it was: (.*)$/m.exec(forced.stdout)?.[1] ?? ''
    assert.ok(copy.startsWith(`${out}.before-`), forced.stdout)
    assert.equal(readFileSync(copy, 'utf8'), 'mine')
  })

  test('is not written over what is no text', (t) => {
    const out = join(scratchDirectory(t), 'gateway.yaml')
    writeFileSync(out, Buffer.of(0xff))
    const ended = importText(t, local(), { out, force: true })
    assert.equal(ended.status, 1)
    assert.match(ended.stderr, /is not UTF-8; name another file with --out/)
    assert.deepEqual(readFileSync(out), Buffer.of(0xff))
  })

  test('is not written by --check and --stdout', (t) => {
    const checked = importText(t, local(), { check: true })
    assert.deepEqual([checked.status, checked.text], [0, ''])
    assert.match(checked.stdout, /1 provider, 1 model/)
    const printed = importText(t, local(), { stdout: true })
    assert.deepEqual([printed.status, printed.text], [0, ''])
    assert.match(printed.stdout, /^# yaml-language-server/)
    assert.doesNotMatch(printed.stdout, /carried/)
    assert.match(printed.stderr, /carried/)
  })

  test('goes to the configuration of the user by default', async (t) => {
    const folder = scratchDirectory(t)
    const file = join(folder, 'config.yaml')
    writeFileSync(file, local())
    const ended = await runCommand(['import', file], { env: { HOME: folder } })
    assert.equal(ended.status, 0, ended.stderr)
    loaded(join(folder, '.config/llm-gateway/llm-gateway.yaml'))
  })

  test('is ready once the commands of the report have run, and explained as it was routed there', async (t) => {
    const { out, stdout } = importFixture(t, 'litellm.yaml', { json: true })
    const keys = { GPU_KEY: 'a', ANTHROPIC_API_KEY: 'b', AZURE_API_KEY: 'c', OPENROUTER_API_KEY: 'd' }
    const env = { ...keys, HOME: scratchDirectory(t), PATH: '/nowhere', XDG_RUNTIME_DIR: '' }
    const { to_do: steps } = JSON.parse(stdout) as { to_do: { command?: string }[] }
    for (const { command = '' } of steps) {
      if (!command.includes('llm-gateway secret set ')) continue
      const stored = await runCommand(command.split(' ').slice(1), { env, input: 'sk-0123456789abcdef' })
      assert.equal(stored.status, 0, stored.stderr)
    }
    for (const [asked, targets] of [
      ['coder', ['local-9101 qwen/qwen3-coder', 'local-9102 qwen3']],
      ['fast', ['local-11434 qwen3:8b']],
      ['gpt-4o', ['openai gpt-5.1']],
      ['openrouter/a/b', ['openrouter a/b']],
    ] as const) {
      const ended = await runCommand(['explain', asked, '--config', out, '--json'], { env })
      const explained = JSON.parse(ended.stdout) as { targets: { provider: string; model: string }[] }
      assert.deepEqual(
        explained.targets.map(({ provider, model }) => `${provider} ${model}`),
        targets,
      )
    }
  })
})

describe('refusals', () => {
  test('of a file that is not there, not YAML, or of another shape', (t) => {
    assert.match(importFile(t, '/nowhere/x.yaml').stderr, /\/nowhere\/x\.yaml does not exist/)
    assert.match(importFile(t, fixtures).stderr, /is a directory/)
    const broken = importText(t, 'model_list: [sk-abcdefghijkl\n')
    assert.equal(broken.status, 1)
    assert.match(broken.stderr, /foreign:1:13: .*\n.*cannot be read/)
    assert.doesNotMatch(broken.stderr, /abcdef/)
    const other = importText(t, 'services: { web: { image: nginx } }')
    assert.equal(other.status, 1)
    assert.match(other.stderr, /does not have the shape/)
  })

  test('of an unknown source, as invalid usage', (t) => {
    const ended = importText(t, local(), { from: 'portkey' })
    assert.equal(ended.status, 2)
    assert.match(ended.stderr, /--from is one of litellm, /)
  })

  test('of a file of which nothing can be taken over, with the reason', (t) => {
    const ended = importText(t, lite('  - { model_name: m, litellm_params: { model: bedrock/x } }\n'))
    assert.deepEqual([ended.status, ended.text], [1, ''])
    assert.match(ended.stderr, /model_list\[0\]: its requests are signed/)
  })
})

describe('LiteLLM', () => {
  test('limits stand in any of three places, and were hints unless they were enforced', (t) => {
    const entry = (top: string, params: string, info: string) =>
      lite(
        `  - { model_name: m, ${top} litellm_params: { model: openai/x, api_base: "http://127.0.0.1:9/v1"${params} }, model_info: { ${info} } }\n`,
      )
    for (const [text, rpm] of [
      [entry('rpm: 1,', ', rpm: 2', 'rpm: 3'), 1],
      [entry('', ', rpm: 2', 'rpm: 3'), 2],
      [entry('', '', 'rpm: 3'), 3],
    ] as const) {
      const { out, stdout } = importText(t, text)
      assert.equal(loaded(out).rate_limit_settings?.limits?.['m']?.rpm, rpm)
      assert.match(stdout, /only a hint for routing there; a promise here/)
    }
    const enforced = importText(
      t,
      `${entry('', ', rpm: 2', '')}router_settings: { routing_strategy: usage-based-routing-v2 }\n`,
    )
    assert.doesNotMatch(enforced.stdout, /only a hint/)
  })

  test('a limit that not every target has is no limit of the model', (t) => {
    const { out, stdout } = importText(
      t,
      `${local(', rpm: 5')}  - { model_name: m, litellm_params: { model: openai/y, api_base: "http://127.0.0.1:8/v1" } }\n`,
    )
    assert.equal(loaded(out).rate_limit_settings, undefined)
    assert.match(stdout, /rpm \(not every target of the model has it/)
  })

  test('orders become tiers, and targets without one come last', (t) => {
    const { out } = importFixture(t, 'litellm.yaml')
    assert.deepEqual(loaded(out).models?.['coder']?.targets, [
      { provider: 'local-9101', model: 'qwen/qwen3-coder', tier: 1 },
      { provider: 'local-9102', model: 'qwen3', tier: 2 },
    ])
  })

  test('a target without the share that others have comes after them', (t) => {
    const entry = (more: string) =>
      `  - { model_name: m, litellm_params: { model: openai/x, api_base: "http://127.0.0.1:9/v1", ${more} } }\n`
    const { out, stdout } = importText(
      t,
      lite(entry('weight: 1.5') + entry('max_tokens: 5') + entry('weight: 0.5')),
    )
    assert.deepEqual(
      loaded(out).models?.['m']?.targets?.map(({ tier, weight }) => [tier, weight]),
      [
        [1, 3],
        [2, undefined],
        [1, undefined],
      ],
    )
    assert.match(stdout, /weight \(a target without it got no calls while another was healthy/)
  })

  test('a variable that the file sets literally is a key to store', (t) => {
    const { out, stdout } = importFixture(t, 'litellm.yaml')
    assert.deepEqual(loaded(out).providers?.['local-9103']?.api_key, {
      credential: 'local-9103_api_key',
      secret: 'local-9103_api_key',
    })
    assert.match(
      stdout,
      new RegExp(
        `environment_variables\\.TEAM_KEY has a key.*\n +\\S*llm-gateway secret set local-9103_api_key --config ${out}`,
      ),
    )
  })

  test('an Ollama gets /v1, and prompts that are too long another model', (t) => {
    const { out } = importFixture(t, 'litellm.yaml')
    const raw = loaded(out)
    assert.equal(raw.providers?.['local-11434']?.base_url, 'http://127.0.0.1:11434/v1')
    assert.deepEqual(raw.models?.['coder']?.when, [{ prompt_tokens_over: 32_000, use: 'claude' }])
    assert.deepEqual(raw.models?.['coder']?.fallbacks, ['gpt', 'claude'])
    assert.deepEqual(raw.models?.['gpt']?.fallbacks, ['small'])
  })

  test('callbacks, guardrails, databases and unknown keys are reported, not dropped', (t) => {
    const { stdout, text } = importFixture(t, 'litellm.yaml')
    for (const key of [
      'litellm_settings.callbacks',
      'guardrails',
      'general_settings.database_url',
      'mystery',
      'router_settings.redis_password',
    ]) {
      assert.ok(stdout.includes(`${key} (`), key)
      assert.ok(text.includes(`# left out: ${key} (`), key)
    }
  })

  test('an address on plain HTTP with a name keeps its key out of reach', (t) => {
    const { out, stdout } = importText(
      t,
      lite(
        '  - { model_name: m, litellm_params: { model: openai/x, api_base: "http://gpu:8000/v1", api_key: os.environ/K } }\n',
      ),
    )
    assert.deepEqual(loaded(out).providers, { 'gpu-8000': { base_url: 'http://gpu:8000/v1' } })
    assert.match(stdout, /providers\.gpu-8000 has no key: http:\/\/ would send it unencrypted/)
  })

  test('an address in a variable is carried while the variable is set', (t) => {
    const text =
      lite('  - { model_name: m, litellm_params: { model: openai/x, api_base: os.environ/BASE } }\n') +
      local().replace('model_list:\n', '')
    const set = importText(t, text, { env: { BASE: 'http://127.0.0.1:7/v1' } })
    assert.match(set.text, /base_url: "\$\{BASE\}"/)
    const unset = importText(t, text)
    assert.equal(unset.status, 0)
    assert.match(
      unset.stdout,
      /model_list\[0\]\.litellm_params\.api_base \(it refers to an environment variable that is not set here/,
    )
  })

  test('fallbacks for any model belong to those without an entry of their own', (t) => {
    const entry = (name: string) =>
      local().replace('model_list:\n', '').replace('model_name: m', `model_name: ${name}`)
    const models = `${local()}${entry('n')}${entry('o')}${entry('p')}`
    const fallbacksWith = (settings: string) => {
      const { out, stdout } = importText(t, `${models}${settings}`)
      const raw = loaded(out).models
      return { stdout, lists: ['m', 'n', 'o', 'p'].map((name) => raw?.[name]?.fallbacks) }
    }
    const star = 'router_settings: { fallbacks: [{ "*": [o] }, { m: [n] }] }\n'
    assert.deepEqual(fallbacksWith(star).lists, [['n'], ['o'], undefined, ['o']])
    const both = fallbacksWith(`${star}litellm_settings: { default_fallbacks: [p] }\n`)
    assert.deepEqual(both.lists, [['n'], ['p'], ['p'], undefined])
    assert.match(both.stdout, /another list for all models takes precedence over it/)
    const long = fallbacksWith('router_settings: { context_window_fallbacks: [{ "*": [o] }] }\n')
    assert.deepEqual(long.lists, [['o'], ['o'], undefined, ['o']])
  })

  test('the first entry of a model counts, and of two lists that of the router', (t) => {
    const entry = (name: string) =>
      local().replace('model_list:\n', '').replace('model_name: m', `model_name: ${name}`)
    const { out, stdout } = importText(
      t,
      `${local()}${entry('n')}${entry('o')}${entry('p')}
router_settings:
  model_group_alias: { alias: o }
  fallbacks: [{ m: [n] }, { m: [o] }, { alias: [{ model: p, temperature: 0 }] }]
  context_window_fallbacks: []
  default_fallbacks: []
litellm_settings:
  fallbacks: [{ n: [p] }]
  context_window_fallbacks: [{ n: [o] }]
  default_fallbacks: [p]
`,
    )
    const { models } = loaded(out)
    assert.deepEqual(
      ['m', 'n', 'o', 'p'].map((name) => models?.[name]?.fallbacks),
      [['n'], ['p', 'o'], ['p'], undefined],
    )
    for (const note of [
      'router_settings.fallbacks[1].m (only the first entry for a model counts)',
      'litellm_settings.fallbacks (router_settings.fallbacks takes precedence over it)',
      'router_settings.fallbacks[2].alias[0].temperature (the gateway has no counterpart)',
      'router_settings.fallbacks[2].alias (an alias shares the fallbacks of its model)',
    ]) {
      assert.ok(stdout.includes(`  ${note}\n`), note)
    }
  })

  test('settings of the router and of the module take precedence as in LiteLLM', (t) => {
    const settingsOf = (router: string, module: string, params = '') => {
      const { out, stdout } = importText(
        t,
        `${local(params)}router_settings: { ${router} }\nlitellm_settings: { ${module} }\n`,
      )
      const { routing, providers, models } = loaded(out)
      return { routing, timeouts: providers?.['local-9']?.timeouts, request: models?.['m']?.request, stdout }
    }
    const both = settingsOf(
      'num_retries: 0, timeout: 30, stream_timeout: 4, cooldown_time: 0, request_timeout: 1',
      'num_retries: 7, request_timeout: 50, stream_timeout: 9, cooldown_time: 3',
    )
    assert.deepEqual(
      [both.routing, both.timeouts],
      [{ retries: 0 }, { total_ms: 50_000, first_byte_ms: 4000 }],
    )
    for (const note of [
      'router_settings.timeout (litellm_settings.request_timeout takes precedence over it)',
      'litellm_settings.num_retries (router_settings.num_retries takes precedence over it)',
      'router_settings.cooldown_time (it has no effect there)',
      'router_settings.request_timeout (LiteLLM reads it elsewhere, and ignores it here)',
    ]) {
      assert.ok(both.stdout.includes(`  ${note}\n`), note)
    }
    const zero = settingsOf(
      'timeout: 0, default_litellm_params: { timeout: 3, stream_timeout: 2 }',
      'num_retries: 7',
    )
    assert.deepEqual([zero.routing, zero.timeouts], [{ retries: 7 }, { total_ms: 3000, first_byte_ms: 2000 }])
    const own = settingsOf('timeout: 30', 'x: 1', ', request_timeout: 8, num_retries: 2, temperature: 0.5')
    assert.deepEqual([own.timeouts, own.request], [{ total_ms: 8000 }, { default: { temperature: 0.5 } }])
  })

  test('fallbacks in a circle are opened, with a note', (t) => {
    const { out, stdout } = importText(
      t,
      `${local()}  - { model_name: n, litellm_params: { model: openai/y, api_base: "http://127.0.0.1:9/v1" } }\nrouter_settings: { fallbacks: [{ m: [n] }, { n: [m] }] }\n`,
    )
    assert.deepEqual(loaded(out).models?.['m']?.fallbacks, ['n'])
    assert.equal(loaded(out).models?.['n']?.fallbacks, undefined)
    assert.match(stdout, /fallbacks is refused by validate-config: the models form a cycle/)
  })

  test('what our checks refuse is named by its place in our file, and counts as left out alone', (t) => {
    const { text, stdout } = importText(
      t,
      `${local()}  - { model_name: img, litellm_params: { model: openai/, api_base: "http://127.0.0.1:9/v1" } }\n`,
    )
    assert.match(text, /# left out: models\.img \(it is refused by validate-config: must not be empty\)/)
    assert.doesNotMatch(text, /from model_list\[1\]/)
    assert.match(stdout, /2 carried, 0 changed, 1 left out/)
  })

  test('entries with the usual variable and without a key share a provider', (t) => {
    const { out } = importText(
      t,
      lite(
        '  - { model_name: a, litellm_params: { model: gpt-5 } }\n  - { model_name: b, litellm_params: { model: openai/gpt-5, api_key: os.environ/OPENAI_API_KEY } }\n',
      ),
    )
    assert.deepEqual(Object.keys(loaded(out).providers ?? {}), ['openai'])
  })

  test('included files are read below the folder of the file alone', (t) => {
    const folder = scratchDirectory(t)
    mkdirSync(join(folder, 'in/more'), { recursive: true })
    writeFileSync(
      join(folder, 'in/more/models.yaml'),
      local().replaceAll('model_name: m', 'model_name: included'),
    )
    writeFileSync(join(folder, 'outside.yaml'), local().replaceAll('model_name: m', 'model_name: outside'))
    symlinkSync(join(folder, 'outside.yaml'), join(folder, 'in/link.yaml'))
    const file = join(folder, 'in/config.yaml')
    writeFileSync(file, `include: [more/models.yaml, ../outside.yaml, link.yaml, nothing.yaml]\n${local()}`)
    const { out, stdout } = importFile(t, file)
    assert.deepEqual(Object.keys(loaded(out).models ?? {}), ['m', 'included'])
    assert.match(stdout, /include\[1\] \(it is outside of the folder/)
    assert.match(stdout, /include\[2\] \(it is outside of the folder/)
    assert.match(stdout, /include\[3\] \(there is no such file/)
  })
})

describe('llama-swap', () => {
  test('commands are comments, and with --with-commands services that are printed first', (t) => {
    const without = importFixture(t, 'llama-swap.yaml')
    assert.equal(loaded(without.out).providers?.['coder']?.service, undefined)
    assert.match(
      without.text,
      /# {3}run: \[ \/bin\/cat, --port, "9201", --model, \/models\/with space\.gguf, --alias, coder \]/,
    )
    const { out, stdout } = importFixture(t, 'llama-swap.yaml', { withCommands: true })
    const raw = loaded(out)
    assert.deepEqual(raw.providers?.['coder']?.service, {
      run: ['/bin/cat', '--port', '9201', '--model', '/models/with space.gguf', '--alias', 'coder'],
      environment: { CUDA_VISIBLE_DEVICES: '0' },
      ready: '/health',
      start_timeout_ms: 60_000,
      stop_after_idle_ms: 300_000,
    })
    assert.deepEqual(raw.providers?.['embed']?.service?.keep, true)
    assert.deepEqual(raw.services?.groups, { gpu: { members: ['coder', 'chat'], running: 1 } })
    assert.ok(stdout.startsWith('command of providers.chat: "/bin/cat" "--port" "9200"'))
  })

  test('with --json, commands are printed to standard error, and their environment everywhere', (t) => {
    const printed = [
      'command of providers.coder: "/bin/cat" "--port" "9201"',
      '\n  with CUDA_VISIBLE_DEVICES="0"\n',
    ]
    const asText = importFixture(t, 'llama-swap.yaml', { withCommands: true })
    const asJson = importFixture(t, 'llama-swap.yaml', { withCommands: true, json: true })
    JSON.parse(asJson.stdout)
    for (const part of printed) {
      assert.ok(asText.stdout.includes(part), part)
      assert.ok(asJson.stderr.includes(part), part)
    }
  })

  test('without systemd, commands stay comments', (t) => {
    const { out, stdout } = importFixture(t, 'llama-swap.yaml', {
      withCommands: true,
      hasServiceManager: false,
    })
    assert.equal(loaded(out).providers?.['coder']?.service, undefined)
    assert.match(stdout, /systemd does not run this machine/)
  })

  test('without groups, all take turns', (t) => {
    const { out } = importText(
      t,
      'models: { a: { cmd: "/bin/cat ${PORT}" }, b: { cmd: "/bin/cat ${PORT}" } }',
      { withCommands: true },
    )
    assert.deepEqual(loaded(out).services?.groups, { default: { members: ['a', 'b'], running: 1 } })
  })

  test('a server that is never idle for too long is kept, or stopped after a week where it takes turns', (t) => {
    const models = (extra: string) =>
      `models: { a: { cmd: "/bin/cat \${PORT}", ttl: 0 }, b: { cmd: "/bin/cat \${PORT}", ttl: 5 }${extra} }\n`
    const apart = importText(t, `${models('')}groups: { g: { swap: false, members: [a, b] } }\n`, {
      withCommands: true,
    })
    const services = Object.values(loaded(apart.out).providers ?? {}).map(({ service }) => service)
    assert.deepEqual(
      services.map((each) => [each?.keep, each?.stop_after_idle_ms]),
      [
        [true, undefined],
        [undefined, 5000],
      ],
    )
    const turns = importText(t, models(', c: { cmd: "/bin/cat ${PORT}" }'), { withCommands: true })
    assert.equal(loaded(turns.out).providers?.['a']?.service?.stop_after_idle_ms, 604_800_000)
    assert.match(turns.stdout, /models\.a\.ttl \(a server that takes turns .* a week/)
    assert.match(turns.stdout, /models\.c\.ttl \(a server that takes turns .* a week/)
  })

  test('a command and a group with the text of a key are left out with a note', (t) => {
    const { text, stdout } = importText(
      t,
      'apiKeys: [Plain.Mark0/word]\nmodels: { a: { cmd: "/bin/cat ${PORT} x-Plain.Mark0/word" }, b: { cmd: "/bin/cat ${PORT}" }, c: { cmd: "/bin/cat ${PORT}" } }\ngroups: { Plain.Mark0/word: { exclusive: false, members: [b, c] } }\n',
    )
    assert.doesNotMatch(text + stdout, /Mark0/)
    assert.match(stdout, /providers\.a \(the command of its server has a text that is or looks like/)
    assert.match(stdout, /a group has a text that is or looks like a credential/)
  })

  test('filters become request, names of variants models, selectors targets', (t) => {
    const { models } = loaded(importFixture(t, 'llama-swap.yaml').out)
    const set = { temperature: 0.2, chat_template_kwargs: { enable_thinking: false } }
    assert.deepEqual(models?.['coder']?.request, { set, drop: ['top_k', 'min_p'] })
    assert.deepEqual(models?.['coder:hot']?.request?.set, { ...set, temperature: 1 })
    assert.deepEqual(models?.['coder']?.aliases, ['code', 'gpt-4o-mini'])
    assert.deepEqual(models?.['pinned'], { provider: 'chat', model: 'chat' })
    assert.deepEqual(
      models?.['either']?.targets?.map(({ tier }) => tier),
      [1, 2],
    )
  })
})

describe('claude-code-router', () => {
  test("its routes become rules for Claude Code's names", (t) => {
    const { models, providers } = loaded(importFixture(t, 'claude-code-router.json').out)
    assert.deepEqual(models?.['claude-*'], {
      when: [
        { prompt_tokens_over: 50_000, use: 'or/qwen/qwen3-coder' },
        { images: true, use: 'ant/claude-sonnet-4-5' },
        { thinking: true, use: 'ant/claude-sonnet-4-5' },
      ],
      use: 'gpu/ok',
    })
    assert.equal(models?.['claude-haiku-*']?.use, 'gpu/tools')
    assert.deepEqual(providers?.['gpu'], {
      base_url: 'http://127.0.0.1:9502/v1',
      api_key: { credential: 'gpu_key', env: 'GPU_KEY' },
    })
    assert.deepEqual(models?.['gpu/ok']?.request, { set: { max_tokens: 4096 } })
  })
})

test('a key of claude-code-router that begins with a dollar sign is a key, unless it names a variable that is set', (t) => {
  const provider = (name: string, key: string) =>
    `{ "name": "${name}", "api_base_url": "https://${name}.example/v1/chat/completions", "api_key": "${key}", "models": ["m"] }`
  const text = `{ "Providers": [${provider('a', '$secretPass')}, ${provider('b', '$own_key')}, ${provider('c', '${NOT_SET}')}, ${provider('d', '${secretPass}')}] }`
  const { out, stdout, stderr, text: written } = importText(t, text, { env: { own_key: 'x' } })
  assert.deepEqual(
    Object.values(loaded(out, { own_key: 'x' }).providers ?? {}).map(({ api_key: key }) => key),
    [
      { credential: 'a_api_key', secret: 'a_api_key' },
      { credential: 'own_key', env: 'own_key' },
      { credential: 'not_set', env: 'NOT_SET' },
      { credential: 'd_api_key', secret: 'd_api_key' },
    ],
  )
  assert.doesNotMatch(written + stdout + stderr, /secretPass/)
})

test('a route of claude-code-router without a comma names no model', (t) => {
  const { out, stdout } = importText(
    t,
    '{ "Providers": [{ "name": "ab", "api_base_url": "http://127.0.0.1:9/v1/chat/completions", "models": ["abc", "m"] }], "Router": { "default": "ab,m", "think": "abc", "background": "ab,m" }, "fallback": { "default": ["abc"] } }',
  )
  assert.match(stdout, /Router\.think \(it does not have the form provider,model\)/)
  assert.deepEqual(loaded(out).models?.['claude-*'], { use: 'ab/m' })
  assert.equal(loaded(out).models?.['ab/m']?.fallbacks, undefined)
})

describe('llm-router', () => {
  test('aliases become targets, also those of aliases, and circles are left out', (t) => {
    const { models } = loaded(importFixture(t, 'llm-router.json').out)
    assert.deepEqual(models?.['chat']?.targets, [
      { provider: 'one', model: 'm', weight: 3 },
      { provider: 'two', model: 'm' },
      { provider: 'claude', model: 'claude-sonnet-4-5', tier: 2 },
    ])
    assert.deepEqual(
      models?.['fast']?.targets?.map(({ provider, tier }) => [provider, tier]),
      [
        ['ollama', undefined],
        ['one', 2],
        ['two', 2],
        ['claude', 2],
      ],
    )
    assert.equal(models?.['round'], undefined)
  })
})

test('comments name key paths, and no text of the source becomes a key or a comment', (t) => {
  const trap = 'm\\n    evil: true # note'
  const { out, text } = importText(
    t,
    `${local()}  - { model_name: "${trap}", litellm_params: { model: "openai/y: {", api_base: "http://127.0.0.1:9/v1" } }\n"k\\nserver: { port: 1 }": 1\n`,
  )
  assert.doesNotMatch(text, /^ *(?:evil|server):/m)
  assert.equal(loaded(out).server?.port, undefined)
})

test('references of ours in texts of the source stay texts', (t) => {
  const { out } = importText(
    t,
    '{ "providers": [{ "id": "a", "baseUrl": "http://127.0.0.1:9/${HOME}", "models": ["x"], "rateLimits": [] }] }',
  )
  assert.equal(loaded(out).providers?.['a']?.base_url, 'http://127.0.0.1:9/${HOME}/v1')
})

test('the report as JSON has the notes and what is to be done', (t) => {
  const { stdout } = importFixture(t, 'litellm.yaml', { json: true })
  const report = JSON.parse(stdout) as {
    from: string
    notes: { kind: string }[]
    to_do: { command?: string }[]
  }
  assert.equal(report.from, 'litellm')
  assert.ok(report.notes.some(({ kind }) => kind === 'left_out'))
  assert.ok(
    report.to_do.some(({ command }) => command?.includes('llm-gateway secret set openai_api_key') === true),
  )
})

test('suggested commands name the file, quoted for a shell, and variables that are set are not asked for', (t) => {
  const out = join(scratchDirectory(t), "my file's.yaml")
  const env = { GPU_KEY: 'a', ANTHROPIC_API_KEY: 'b', AZURE_API_KEY: 'c', OPENROUTER_API_KEY: 'd' }
  const word = `'${out.replace("'", String.raw`'\''`)}'`
  const { stdout } = importFixture(t, 'litellm.yaml', { out, env })
  assert.ok(stdout.includes(`llm-gateway key create NAME --config ${word}\n`), stdout)
  assert.ok(stdout.includes(`llm-gateway secret set openai_api_key --config ${word}\n`), stdout)
  assert.ok(stdout.includes(`llm-gateway validate-config ${word}\n`), stdout)
  const asJson = importFixture(t, 'litellm.yaml', { env, json: true })
  assert.doesNotMatch(asJson.stdout, /These variables are not set/)
  assert.match(importFixture(t, 'litellm.yaml', { json: true }).stdout, /These variables are not set/)
})

test('keys can be credentials, of which no two share one, and none is the identity of stored secrets', (t) => {
  const entry = (name: string, port: number, key: string) =>
    `  - { model_name: ${name}, litellm_params: { model: openai/x, api_base: "http://127.0.0.1:${port}/v1", api_key: ${key} } }\n`
  const { out } = importText(
    t,
    lite(
      entry('a', 1, 'os.environ/A_KEY') +
        entry('b', 2, 'os.environ/a_key') +
        entry('c', 3, 'os.environ/OPENAI_API_KEY') +
        entry('d', 4, 'os.environ/GATEWAY_IDENTITY') +
        entry('e', 5, 'os.environ/gateway_identity') +
        '  - { model_name: f, litellm_params: { model: gpt-5, api_key: literal-key-1234 } }\n',
    ),
  )
  const keys = Object.values(loaded(out).providers ?? {}).map(({ api_key: key }) => key)
  assert.deepEqual(keys, [
    { credential: 'a_key', env: 'A_KEY' },
    { env: 'a_key' },
    { credential: 'OPENAI_API_KEY', env: 'OPENAI_API_KEY' },
    { credential: 'GATEWAY_IDENTITY', env: 'GATEWAY_IDENTITY' },
    { env: 'gateway_identity' },
    { credential: 'openai_api_key', secret: 'openai_api_key' },
  ])
})
