// Open WebUI between a person and the gateway, a real llama.cpp behind it: its API, as its own pages use it, over both kinds of its
// connections at once. Their models are told apart by their names: that of the list for Ollama's clients has a tag.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import type { Running } from '../support/app.ts'
import type { Cleanup } from '../support/scripted-upstream.ts'
import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'
import { emptyFolder, missingPython, start } from './programs.ts'
import { freePort } from '../support/free-port.ts'

const variable = 'LLM_GATEWAY_TEST_OPEN_WEBUI_PYTHON'
const skip = missingLlamaCpp() || missingPython(variable, ['open_webui'], 'open-webui')

interface WebUi {
  request(path: string, body?: object, signal?: AbortSignal): Promise<Response>
}

/** Its first user signed up. It takes half a minute to start. */
async function startOpenWebUi(t: Cleanup, gateway: string): Promise<WebUi> {
  const folder = emptyFolder(t)
  const port = await freePort()
  const env = {
    HOME: folder,
    DATA_DIR: folder,
    STATIC_DIR: join(folder, 'static'),
    // As its own command does, for its pages are in the package.
    FROM_INIT_PY: 'true',
    ENABLE_OLLAMA_API: 'true',
    OLLAMA_BASE_URLS: gateway,
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
    OPENAI_API_BASE_URLS: `${gateway}/v1`,
    OPENAI_API_KEYS: 'none',
    USE_SLIM_DOCKER: 'true',
    WEBUI_SECRET_KEY: 'of-this-test',
  }
  const args = ['-m', 'uvicorn', 'open_webui.main:app', '--host', '127.0.0.1', '--port', String(port)]
  const { ended } = start(t, process.env[variable]!, args, { folder, env })
  const url = `http://127.0.0.1:${port}`
  const early = new AbortController()
  void ended.then(({ stderr }) => early.abort(new Error(`Open WebUI ended: ${stderr.slice(-3_000)}`)))
  await healthy(url, early.signal)
  const send = (path: string, headers: Record<string, string>, body?: object, signal?: AbortSignal) =>
    fetch(url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal !== undefined && { signal }),
    })
  const person = { name: 'Ann', email: 'ann@example.org', password: 'a-long-Passw0rd' }
  const signedUp = await send('/api/v1/auths/signup', {}, person)
  const { token } = (await signedUp.json()) as { token: string }
  return {
    request: (path, body, signal) => send(path, { authorization: `Bearer ${token}` }, body, signal),
  }
}

/** Throws the reason of the signal, should it come first. */
async function healthy(url: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer: unknown = await fetch(`${url}/health`, { signal })
      .then((response) => response.json())
      .catch(() => undefined)
    // Another program may have the port by now.
    if (isDeepStrictEqual(answer, { status: true })) return
    signal.throwIfAborted()
    await pause(200)
  }
}

suite('Open WebUI', { skip }, () => {
  const releases: (() => unknown)[] = []
  const whole = { after: (release: () => unknown) => void releases.unshift(release) }
  let gateway: Running['gateway']
  let ui: WebUi

  before(async () => {
    ;({ gateway } = await startLlamaCpp(whole))
    ui = await startOpenWebUi(whole, gateway.url)
  })
  after(async () => {
    for (const release of releases) await release()
  })

  /** The answer's JSON; its status and text where it is none. */
  async function read<T>(path: string, body?: object): Promise<T> {
    const response = await ui.request(path, body)
    const text = await response.text()
    assert.equal(response.status, 200, `${path}: ${text.slice(0, 400)}`)
    return JSON.parse(text) as T
  }

  test('verifies a connection of each kind, and lists the models of both', async () => {
    const ofOllama = await read<{ version: string }>('/ollama/verify', { url: gateway.url, key: 'none' })
    assert.match(ofOllama.version, /^\d+\.\d+\.\d+$/)
    const ofOpenAi = await read<{ object: string }>('/openai/verify', {
      url: `${gateway.url}/v1`,
      key: 'none',
    })
    assert.equal(ofOpenAi.object, 'list')
    const { data } = await read<{ data: { id: string; owned_by: string }[] }>('/api/models')
    const owners = new Map(data.map(({ id, owned_by }) => [id, owned_by]))
    assert.deepEqual([owners.get('gemma'), owners.get('gemma:latest')], ['openai', 'ollama'])
  })

  test('asks what Ollama tells of models', async () => {
    assert.match((await read<{ version: string }>('/ollama/api/version')).version, /^\d+\.\d+\.\d+$/)
    const { models } = await read<{ models: { model: string }[] }>('/ollama/api/tags')
    assert.ok(models.some(({ model }) => model === 'gemma:latest'))
    const loaded = await read<{ models: { name: string; expires_at: string }[] }>('/ollama/api/ps')
    for (const { expires_at } of loaded.models) assert.ok(Date.parse(expires_at) > Date.now())
    const shown = await read<{ capabilities: string[] }>('/ollama/api/show', { model: 'gemma:latest' })
    assert.ok(shown.capabilities.includes('completion'))
  })

  for (const [what, model, dialect] of [
    ["OpenAI's", 'gemma', 'chat'],
    ["Ollama's", 'gemma:latest', 'ollama_chat'],
  ] as const) {
    const messages = [{ role: 'user', content: 'Count to ten.' }]
    // Each kind of connection has its own name for the cap.
    const chat = { model, messages, max_tokens: 12, options: { num_predict: 12 } }

    test(`chats whole and streamed over ${what} API, and its stop reaches the provider`, async (t) => {
      const answered = await read<{ usage: { prompt_tokens: number; completion_tokens: number } }>(
        '/api/chat/completions',
        { ...chat, stream: false },
      )
      const logged = await gateway.logged({ event: 'call', dialect, stream: false })
      assert.deepEqual(
        [logged['status'], logged['model'], logged['prompt_tokens'], logged['completion_tokens']],
        [200, 'gemma', answered.usage.prompt_tokens, answered.usage.completion_tokens],
      )

      const streamed = await ui.request('/api/chat/completions', { ...chat, stream: true })
      assert.match(await streamed.text(), /data: \[DONE\]/)
      await gateway.logged({ event: 'call', dialect, stream: true, status: 200, estimated: false })

      const stop = new AbortController()
      const endless = { max_tokens: 1_000, ignore_eos: true, options: { num_predict: 1_000 } }
      const left = await ui.request(
        '/api/chat/completions',
        { ...chat, ...endless, stream: true },
        stop.signal,
      )
      await left.body!.getReader().read()
      stop.abort()
      await gateway.logged({ event: 'call', dialect, stream: true, status: 499 })
      const calls = gateway.log().filter((line) => line['event'] === 'call' && line['dialect'] === dialect)
      t.diagnostic(`${calls.length} calls: ${calls.map(({ status }) => String(status)).join(', ')}`)
    })
  }

  test('generates, and shows what a server cannot do', async () => {
    const options = { num_predict: 8 }
    const body = { model: 'gemma:latest', prompt: 'Count to ten.', stream: true, options }
    const generated = await (await ui.request('/ollama/api/generate', body)).text()
    const lines = generated.trim().split('\n')
    assert.equal((JSON.parse(lines.at(-1)!) as { done: boolean }).done, true)
    const embedded = await ui.request('/ollama/api/embed', { model: 'gemma:latest', input: 'a' })
    assert.ok(embedded.status >= 500)
    assert.match(await embedded.text(), /embeddings/)
    const unloaded = await ui.request('/ollama/api/unload', { model: 'gemma:latest' })
    assert.equal(unloaded.status, 200)
  })
})
