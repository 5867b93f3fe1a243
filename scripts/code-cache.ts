// Checks a configuration and serves calls with a fresh build, and writes down what V8 compiled for them. Runs in a process
// of its own, which ends with it: `node scripts/code-cache.ts DIST`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { codeCacheFile, loadBundle } from '../src/cli/bundle.ts'
import { resetServingFlags } from '../src/platform/node/serving-flags.ts'

const [dist = ''] = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'llm-gateway-build-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 }
const message = { role: 'assistant', content: 'hello' }
const whole = JSON.stringify({ object: 'chat.completion', choices: [{ index: 0, message }], usage })
const piece = JSON.stringify({
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: message }],
  usage,
})

/** A provider, which answers every call in its two forms. */
const provider = createServer((call, answer) => {
  let body = ''
  call.on('data', (text: Buffer) => (body += text.toString()))
  call.on('end', () => {
    const isStream = body.includes('"stream":true')
    answer.setHeader('content-type', isStream ? 'text/event-stream' : 'application/json')
    answer.end(isStream ? `data: ${piece}\n\ndata: [DONE]\n\n` : whole)
  })
})
const port = await freePort()
const providerPort = await portOf(provider)
const config = join(folder, 'llm-gateway.yaml')
writeFileSync(
  config,
  `server: { hosts: [127.0.0.1], port: ${port} }
logging: { format: json }
providers: { local: { base_url: "http://127.0.0.1:${providerPort}/v1" } }
rate_limit_settings: { per_client: { rpm: 1000 }, default: { rpm: 1000, tpm: 1000000 } }
models: { model: { provider: local } }
`,
  { mode: 0o600 },
)

async function portOf(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}

async function freePort(): Promise<number> {
  const server = createServer()
  const port = await portOf(server)
  await once(server.close(), 'close')
  return port
}

const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
const io = { env: { STATE_DIRECTORY: join(folder, 'state') }, stdout: nowhere, stderr: process.stderr }

const commands = loadBundle(dist, 'commands')
const program = commands.run().program().createProgram(io)
for (const args of [
  ['validate-config', config],
  ['explain', 'model', '--config', config],
]) {
  const status = await program.run(args)
  if (status !== 0) throw new Error(`${args[0]} of the build ends with ${status}`)
}
writeFileSync(codeCacheFile(dist, 'commands'), commands.script.createCachedData())

const gateway = loadBundle(dist, 'gateway')
void gateway.run().program().createProgram(io).run(['serve', '--config', config])

async function ask(path: string, body?: object): Promise<number> {
  const method = body === undefined ? 'GET' : 'POST'
  const headers = { 'content-type': 'application/json' }
  const call = request({ host: '127.0.0.1', port, path, method, headers }).end(body && JSON.stringify(body))
  const [answer] = (await once(call, 'response')) as [NodeJS.ReadableStream & { statusCode: number }]
  answer.resume()
  await once(answer, 'end')
  return answer.statusCode
}

const deadlineMs = performance.now() + 20_000
while ((await ask('/readyz').catch(() => 0)) !== 200) {
  if (performance.now() > deadlineMs) throw new Error('the build does not serve')
  await new Promise((resolve) => setTimeout(resolve, 20))
}
const messages = [{ role: 'user', content: 'hello' }]
for (const stream of [false, true]) {
  const status = await ask('/v1/chat/completions', { model: 'model', messages, stream })
  if (status !== 200) throw new Error(`the build answers ${status}`)
}
// Serving sets flags of V8, and a cache is for the flags that are set when it is written.
resetServingFlags()
writeFileSync(codeCacheFile(dist, 'gateway'), gateway.script.createCachedData())
process.exit(0)
