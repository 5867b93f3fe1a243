// Shapes that configurations of public repositories have: each becomes a valid file, and `explain` leads to the same targets.
import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'

import { scratchDirectory } from '../../support/config-file.ts'
import { runCommand } from '../../support/run-command.ts'
import { type ImportedFile, importText, loaded } from './import-scene.ts'

/** Of variables that the texts below refer to. */
const keys = {
  CLOUD_KEY: 'k-0123456789abcdef',
  OPENAI_API_KEY: 'k-1',
  GROQ_API_KEY: 'k-2',
  ANTHROPIC_API_KEY: 'k-3',
}

/** @param targets by the name that is called: `PROVIDER MODEL` of each target, and the fallbacks after `or`. */
async function assertTargets(
  t: TestContext,
  text: string,
  targets: Readonly<Record<string, readonly string[]>>,
  name = 'foreign',
): Promise<ImportedFile> {
  const imported = importText(t, text, { env: keys, name })
  assert.equal(imported.status, 0, imported.stderr)
  const env = { ...keys, HOME: scratchDirectory(t), PATH: '/nowhere', XDG_RUNTIME_DIR: '' }
  for (const [asked, expected] of Object.entries(targets)) {
    const { stdout, stderr } = await runCommand(['explain', asked, '--config', imported.out, '--json'], {
      env,
    })
    assert.notEqual(stdout, '', stderr)
    const explained = JSON.parse(stdout) as {
      targets: { provider: string; model: string }[]
      fallbacks: string[]
    }
    const found = explained.targets.map(({ provider, model }) => `${provider} ${model}`)
    assert.deepEqual([...found, ...explained.fallbacks.map((each) => `or ${each}`)], expected, asked)
  }
  return imported
}

describe('LiteLLM', () => {
  test('a wildcard for everything, and one for each cloud', async (t) => {
    await assertTargets(
      t,
      `model_list:
  - { model_name: "*", litellm_params: { model: openai/*, api_key: os.environ/OPENAI_API_KEY } }
  - { model_name: anthropic/*, litellm_params: { model: anthropic/*, api_key: os.environ/ANTHROPIC_API_KEY } }
  - { model_name: groq/*, litellm_params: { model: groq/*, api_key: os.environ/GROQ_API_KEY } }
  - { model_name: mini, litellm_params: { model: gpt-5-mini, region_name: eu }, model_info: { id: "1" } }
litellm_settings: { drop_params: True, num_retries: 5, telemetry: False }
`,
      {
        'gpt-5.1': ['openai gpt-5.1'],
        'anthropic/claude-x': ['anthropic claude-x'],
        'groq/llama': ['groq llama'],
        mini: ['openai gpt-5-mini'],
      },
    )
  })

  test('tiers of cloud behind local servers, with rpm beside litellm_params and merged YAML', async (t) => {
    const { out } = await assertTargets(
      t,
      `usual: &usual { timeout: 30, stream_timeout: 10 }
model_list:
  - model_name: fast
    litellm_params: { <<: *usual, model: ollama_chat/qwen3:8b, api_base: http://127.0.0.1:11434, keep_alive: 5m }
    rpm: 60
  - model_name: smart
    litellm_params: { <<: *usual, model: hosted_vllm/qwen3-32b, api_base: http://127.0.0.1:8000/v1, supports_system_message: False }
    model_info: { supports_vision: true, mode: chat }
  - model_name: cloud
    litellm_params: { model: openai/gpt-5.1, api_key: os.environ/OPENAI_API_KEY, max_tokens: 4096, num_retries: 3, cooldown_time: 5 }
litellm_settings:
  fallbacks:
    - fast: ["smart", "cloud"]
    - smart: ["cloud"]
  context_window_fallbacks:
    - fast: [cloud]
`,
      {
        fast: ['local-11434 qwen3:8b', 'or smart', 'or cloud'],
        smart: ['local-8000 qwen3-32b', 'or cloud'],
        cloud: ['openai gpt-5.1'],
      },
    )
    const { models, providers, rate_limit_settings: limits } = loaded(out, keys)
    assert.deepEqual(models?.['cloud']?.request, { default: { max_tokens: 4096 } })
    assert.equal(models?.['smart']?.request, undefined)
    assert.deepEqual(providers?.['local-8000']?.timeouts, { total_ms: 30_000, first_byte_ms: 10_000 })
    assert.deepEqual(limits?.limits, { fast: { rpm: 60 } })
  })
})

describe('llama-swap', () => {
  test('fixed ports, containers, macros over several lines and peers with slashes in names', async (t) => {
    const { out, text } = await assertTargets(
      t,
      `healthCheckTimeout: 300
profiles: { aider: [coder, thinker] }
macros:
  "server": >
    /opt/llama/llama-server
    --port \${PORT}
  "context": 4096
  "usual": "--ctx-size \${context}"
models:
  "coder":
    env: ["CUDA_VISIBLE_DEVICES=0"]
    aliases: [code]
    proxy: "http://127.0.0.1:8999"
    cmd: >
      /opt/llama/llama-server
      --port 8999 --samplers "top_k;top_p"
      -ngl 99
  "thinker":
    macros: { "context": 16384 }
    cmd: |
      # \${server} of above
      \${server}
      \${usual}
  "boxed":
    proxy: "http://127.0.0.1:\${PORT}"
    cmd: |
      docker run --name \${MODEL_ID}
      --init --rm -p \${PORT}:8080 example/llama:server
      --model '/models/a b.gguf'
    cmdStop: docker stop \${MODEL_ID}
    metadata: { port: "\${PORT}", list: [1, "\${context}"] }
    concurrencyLimit: 0
  "speech":
    checkEndpoint: /v1/audio/transcriptions/
    cmd: whisper-server --port \${PORT} --inference-path ""
peers:
  cloud:
    proxy: https://cloud.example/api
    apiKey: \${env.CLOUD_KEY}
    models: [meta/llama, embeddings/small]
    filters: { setParams: { temperature: 0.6, provider: { data_collection: deny } } }
`,
      {
        code: ['coder coder'],
        thinker: ['thinker thinker'],
        boxed: ['boxed boxed'],
        'cloud/meta/llama': ['cloud meta/llama'],
        'embeddings/small': ['cloud embeddings/small'],
      },
    )
    const { providers } = loaded(out, keys)
    assert.equal(providers?.['boxed']?.base_url, 'http://127.0.0.1:5800/v1')
    assert.equal(providers?.['thinker']?.base_url, 'http://127.0.0.1:5802/v1')
    assert.match(text, /--port, "5802", --ctx-size, "16384"/)
    assert.match(text, /"5801", --inference-path, ""/)
  })

  test('parameters that are set only where a request has none, along a path, and for one name', async (t) => {
    const { out } = await assertTargets(
      t,
      `models:
  qwen:
    cmd: /opt/llama/llama-server --port \${PORT}
    filters:
      stripParams: "top_k, min_p, seed"
      setParams: { top_p?: 0.9, top_k?: 20, temperature: 0.5, chat_template_kwargs.enable_thinking: false }
      setParamsByID:
        "\${MODEL_ID}": { presence_penalty: 1 }
        "\${MODEL_ID}:high": { reasoning_effort: high, temperature?: 1, max_tokens?: 100, top_p: 0.8 }
`,
      { qwen: ['qwen qwen'], 'qwen:high': ['qwen qwen'] },
    )
    const { models } = loaded(out, keys)
    const set = { temperature: 0.5, '/chat_template_kwargs/enable_thinking': false, top_k: 20 }
    assert.deepEqual(models?.['qwen']?.request, {
      default: { top_p: 0.9 },
      set: { ...set, presence_penalty: 1 },
      drop: ['min_p', 'seed'],
    })
    assert.deepEqual(models?.['qwen:high']?.request, {
      default: { max_tokens: 100 },
      set: { ...set, reasoning_effort: 'high', top_p: 0.8 },
      drop: ['min_p', 'seed'],
    })
  })
})

describe('Olla', () => {
  test('older names of settings, addresses of containers and a check at the root', async (t) => {
    const { out, stdout } = await assertTargets(
      t,
      `server:
  host: 0.0.0.0
  port: 40114
  request_logging: true
  rate_limits: { per_endpoint: { default_requests_per_minute: 200 } }
proxy: { engine: sherpa, response_timeout: 900s, max_retries: 3, retry_backoff: 500ms, load_balancer: least_conn }
discovery:
  type: static
  refresh_interval: 30s
  static:
    endpoints:
      - { url: "http://ollama:11434", name: box, type: ollama, priority: 100, model_url: /api/tags, health_check_url: /, check_interval: 5s }
      - { url: "http://lmstudio:1234/", name: desk, type: lm-studio, priority: 50 }
security: { rate_limit: { enabled: true } }
model_aliases: { coder: ["qwen3:8b", "qwen3-8b"] }
`,
      { coder: ['box qwen3:8b', 'desk qwen3:8b', 'box qwen3-8b', 'desk qwen3-8b'] },
    )
    const { providers, routing } = loaded(out, keys)
    assert.deepEqual(providers?.['box']?.health_check, { path: '//', interval_ms: 5000 })
    assert.equal(providers?.['desk']?.base_url, 'http://lmstudio:1234/v1')
    assert.deepEqual(routing, { placement: 'least_busy' })
    for (const key of [
      'security',
      'server.request_logging',
      'proxy.max_retries',
      'server.rate_limits.per_endpoint',
    ])
      assert.ok(stdout.includes(`  ${key} (`), key)
  })
})

describe('claude-code-router', () => {
  test('comments as keys, empty texts, models that no list has, and a URL without a version', async (t) => {
    const { out, stdout } = await assertTargets(
      t,
      `{
  "// NOTE": { "usage": "text" },
  "CLAUDE_PATH": "", "APIKEY": "", "PROXY_URL": "", "API_TIMEOUT_MS": "600000",
  "Providers": [
    { "name": "router", "api_base_url": "https://openrouter.ai/api/v1/chat/completions", "api_key": "\${CLOUD_KEY}",
      "models": ["vendor/large", "vendor/large", "@preset/mine"], "transformer": { "use": ["openrouter"], "vendor/large": { "use": [["maxtoken", { "max_tokens": 65536 }], "enhancetool"] } } },
    { "name": "deep", "api_base_url": "https://api.deepseek.com/chat/completions", "api_key": "$CLOUD_KEY", "models": ["chat"] },
    { "name": "desk", "api_base_url": "http://localhost:1234/v1/chat/completions", "api_key": "lm-studio", "models": ["google/gemma"] }
  ],
  "Router": { "default": "router,vendor/large", "background": "desk,google/gemma", "think": "", "longContext": "router,vendor/large:online", "longContextThreshold": 2000, "webSearch": "" },
  "fallback": { "default": ["deep,chat", "gone,x", "desk,other"] }
}`,
      {
        'claude-sonnet-4-5': ['router vendor/large'],
        'router/vendor/large': ['router vendor/large', 'or deep/chat', 'or desk/other'],
        'claude-haiku-4-5': ['desk google/gemma'],
        'router,vendor/large:online': ['router vendor/large:online'],
        'router/@preset/mine': ['router @preset/mine'],
      },
      'config.json',
    )
    const { models, providers, keys: asked } = loaded(out, keys)
    assert.deepEqual(models?.['claude-*']?.when, [
      { prompt_tokens_over: 2000, use: 'router/vendor/large:online' },
    ])
    assert.equal(providers?.['deep']?.base_url, 'https://api.deepseek.com')
    assert.equal(providers?.['desk']?.proxy, undefined)
    assert.equal(asked, undefined)
    assert.match(stdout, /fallback\.default\[1\] \(it names no provider that is here\)/)
  })
})
