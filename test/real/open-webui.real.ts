// Open WebUI between a person and the gateway, a real llama.cpp behind it: its API, as its own pages use it.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'

import { missingLlamaCpp, startLlamaCpp } from './llama-cpp.ts'
import { emptyFolder, missingPython, start } from './programs.ts'
import { freePort } from '../support/free-port.ts'

const variable = 'LLM_GATEWAY_TEST_OPEN_WEBUI_PYTHON'
const skip = missingLlamaCpp() || missingPython(variable, ['open_webui'], 'open-webui')

interface WebUi {
  request(path: string, body?: object, signal?: AbortSignal): Promise<Response>
}

/** Its first user signed up. It takes half a minute to start. */
async function startOpenWebUi(t: TestContext, baseUrl: string): Promise<WebUi> {
  const folder = emptyFolder(t)
  const port = await freePort()
  const env = {
    HOME: folder,
    DATA_DIR: folder,
    STATIC_DIR: join(folder, 'static'),
    // As its own command does, for its pages are in the package.
    FROM_INIT_PY: 'true',
    ENABLE_OLLAMA_API: 'false',
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
    OPENAI_API_BASE_URL: baseUrl,
    OPENAI_API_KEY: 'none',
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
    const response = await fetch(`${url}/health`, { signal }).catch(() => undefined)
    if (response?.ok === true) return
    signal.throwIfAborted()
    await pause(200)
  }
}

test(
  'Open WebUI lists the model, chats whole and streamed, and its stop reaches the provider',
  { skip },
  async (t) => {
    const { gateway } = await startLlamaCpp(t)
    const ui = await startOpenWebUi(t, `${gateway.url}/v1`)
    const chat = { model: 'gemma', messages: [{ role: 'user', content: 'Count to ten.' }], max_tokens: 12 }
    const calls = () => gateway.log().filter(({ event }) => event === 'call')

    const models = (await (await ui.request('/api/models')).json()) as { data: { id: string }[] }
    assert.deepEqual(
      models.data.map(({ id }) => id).filter((id) => id === 'gemma'),
      ['gemma'],
    )

    const whole = await ui.request('/api/chat/completions', { ...chat, stream: false })
    const { usage } = (await whole.json()) as { usage: { prompt_tokens: number; completion_tokens: number } }
    const logged = await gateway.logged({ event: 'call', stream: false })
    assert.deepEqual(
      [logged['status'], logged['prompt_tokens'], logged['completion_tokens']],
      [200, usage.prompt_tokens, usage.completion_tokens],
    )

    const streamed = await ui.request('/api/chat/completions', { ...chat, stream: true })
    assert.match(await streamed.text(), /data: \[DONE\]/)
    await gateway.logged({ event: 'call', stream: true, status: 200, estimated: false })

    const stop = new AbortController()
    const endless = { ...chat, stream: true, max_tokens: 1_000, ignore_eos: true }
    const left = await ui.request('/api/chat/completions', endless, stop.signal)
    await left.body!.getReader().read()
    stop.abort()
    await gateway.logged({ event: 'call', stream: true, status: 499 })
    t.diagnostic(
      `${calls().length} calls: ${calls()
        .map(({ status }) => String(status))
        .join(', ')}`,
    )
  },
)
