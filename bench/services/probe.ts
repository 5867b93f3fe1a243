// Measures in the namespaces of the manager: calls to a server that runs, through the gateway and not, in turns, and starts of it. A
// program of its own. Arguments: base URLs of the gateway and of the server, warm calls of each kind, starts of each kind. Prints JSON.
import { execFile } from 'node:child_process'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Agent, request } from 'undici'

const [gateway = '', server = '', warmCount = '', coldCount = ''] = process.argv.slice(2)
const dispatcher = new Agent({ connections: 1, headersTimeout: 0, bodyTimeout: 0 })
const run = promisify(execFile)
const unit = 'slow.service'

/** From the call to its first event, in milliseconds. */
async function firstEventMs(baseUrl: string, model: string): Promise<number> {
  const sinceMs = performance.now()
  const { body, statusCode } = await request(`${baseUrl}/v1/chat/completions`, {
    dispatcher,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'x' }] }),
  })
  let firstMs: number | undefined
  let text = ''
  for await (const chunk of body) {
    text += String(chunk)
    if (firstMs === undefined && text.includes('data: ')) firstMs = performance.now() - sinceMs
  }
  if (statusCode !== 200 || firstMs === undefined || !text.includes('[DONE]')) throw new Error(text)
  return firstMs
}

async function stop(): Promise<void> {
  await run('systemctl', ['--user', 'stop', unit])
  // The gateway sees it within a second.
  await setTimeout(1_500)
}

/** As one who starts it by hand and asks all the time whether it is ready. */
async function coldByHandMs(): Promise<number> {
  const sinceMs = performance.now()
  await run('systemctl', ['--user', 'start', '--no-block', unit])
  for (;;) {
    const response = await request(`${server}/health`, { dispatcher }).catch(() => undefined)
    await response?.body.dump()
    if (response?.statusCode === 200) break
    await setTimeout(2)
  }
  const readyMs = performance.now() - sinceMs
  return readyMs + (await firstEventMs(server, 'slow'))
}

await firstEventMs(gateway, 'slow')
const warm = { service: [] as number[], plain: [] as number[], server: [] as number[] }
for (let index = 0; index < Number(warmCount); index++) {
  warm.service.push(await firstEventMs(gateway, 'slow'))
  warm.plain.push(await firstEventMs(gateway, 'plain'))
  warm.server.push(await firstEventMs(server, 'slow'))
}
const cold = { gateway: [] as number[], byHand: [] as number[] }
for (let index = 0; index < Number(coldCount); index++) {
  await stop()
  cold.byHand.push(await coldByHandMs())
  await stop()
  cold.gateway.push(await firstEventMs(gateway, 'slow'))
}
process.stdout.write(JSON.stringify({ warm, cold }))
