// `llm-gateway top` in a real terminal, before a real gateway.
import assert from 'node:assert/strict'
import { suite, test, type TestContext } from 'node:test'

import { programFile } from '../../support/built-checkout.ts'
import { messages } from '../../support/chat-content.ts'
import { firstEvents } from '../../support/first-events.ts'
import { defaultEnv } from '../../support/gateway-config.ts'
import { type GatewayProcess, startGatewayProcess } from '../../support/gateway-process.ts'
import { missing } from '../../support/needs.ts'
import { type PseudoTerminal, startInTerminal } from '../../support/pseudo-terminal.ts'
import { connectRaw, type RawClient, rawRequest } from '../../support/raw-client.ts'
import { runCommand } from '../../support/run-command.ts'
import { chunk, hang, streamHead } from '../../support/upstream-script.ts'

/** What a terminal is like while a shell has it. */
const [leaves, shows] = ['\u001b[?1049l', '\u001b[?25h']

async function openStream(t: TestContext, { url }: GatewayProcess, id: string): Promise<RawClient> {
  const client = await connectRaw(t, url)
  const body = JSON.stringify({ model: 'plain', messages, stream: true })
  client.send(rawRequest('POST /v1/chat/completions', { 'x-request-id': id }, body))
  await client.seen('first')
  return client
}

async function startTop(
  t: TestContext,
  more: { columns?: number; rows?: number; env?: Record<string, string> } = {},
) {
  const { gateway, upstream } = await startGatewayProcess(t)
  upstream.respondAlways([streamHead(), chunk(firstEvents['/v1/chat/completions']!), hang])
  const command = [process.execPath, programFile, 'top']
  const env = { HOME: gateway.folder, ...more.env }
  const terminal = await startInTerminal(t, { command, ...more, env })
  return { gateway, terminal }
}

/** Canonical mode and echo are on again, and so are the usual screen and the cursor. */
async function assertRestored(terminal: PseudoTerminal, status: number): Promise<void> {
  assert.equal(await terminal.ended(), status)
  const output = terminal.output()
  const end = output.slice(output.lastIndexOf('\u001b[J'))
  for (const sequence of [leaves, shows]) assert.ok(end.includes(sequence), JSON.stringify(end))
  assert.match(end, /(?<!-)icanon\b/)
  assert.match(end, /(?<!-)echo\b/)
}

suite('in a terminal', { skip: missing('script', 'stty', 'bash') }, () => {
  test('a call appears, is selected, and is cancelled once it is confirmed', async (t) => {
    const { gateway, terminal } = await startTop(t)
    await terminal.shows(/Calls under way\n {2}none/)
    const one = await openStream(t, gateway, 'job-1')
    const two = await openStream(t, gateway, 'job-2')
    await terminal.shows(/job-1 +plain[^]*job-2 +plain/)
    terminal.type('\u001b[B')
    await terminal.shows(/^> job-2 /m)
    terminal.type('c')
    await terminal.shows(/^Cancel job-2 of user:\S+ \(plain\)\? y: yes/m)
    terminal.type('n')
    await terminal.shows(/^Nothing was cancelled\.$/m)
    // What is pasted confirms nothing.
    terminal.type('cy')
    await terminal.shows(/^Cancel job-2/m)
    assert.ok(!two.received().includes('cancelled'))
    terminal.type('y')
    await two.seen('call_cancelled')
    await terminal.shows(/^Cancelled job-2\.$/m)
    await terminal.shows(/^> job-1 /m)
    assert.ok(!one.received().includes('cancelled'))
    terminal.type('q')
    await assertRestored(terminal, 0)
  })

  test('it follows the size of the terminal', async (t) => {
    const { terminal } = await startTop(t)
    await terminal.shows(/none/)
    assert.equal(terminal.screen().length, 24)
    terminal.resize(30, 8)
    // The columns change before the rows, and each change draws a screen.
    await terminal.shows(/^(?:.{0,30}\n){7}q quit · ↑ ↓ select · c cance…$/)
    // After a line as wide as the terminal, the cursor stands on its last character: nothing may be cleared there.
    assert.ok(!['\u001b[J', '\u001b[K'].some((clear) => terminal.output().includes(`…${clear}`)))
    terminal.type('?')
    await terminal.shows(/^Keys$/m)
    terminal.type('\u0003')
    await assertRestored(terminal, 0)
  })

  for (const [signal, status] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
  ] as const) {
    test(`${signal} leaves the terminal as it was`, async (t) => {
      const { terminal } = await startTop(t)
      await terminal.shows(/none/)
      terminal.signal(signal)
      await assertRestored(terminal, status)
    })
  }

  test('a gateway that is gone is reported, and asked again until it is back', async (t) => {
    const { gateway, terminal } = await startTop(t)
    await terminal.shows(/none/)
    await gateway.stop()
    await terminal.shows(/not up to date[^]*The gateway is gone; asking again each second/)
    terminal.type('q')
    await assertRestored(terminal, 0)
  })

  test('without colours where NO_COLOR says so', async (t) => {
    const { gateway, terminal } = await startTop(t, { env: { NO_COLOR: '1' } })
    await openStream(t, gateway, 'job-1')
    await terminal.shows(/^> job-1 /m)
    terminal.type('q')
    await terminal.ended()
    // eslint-disable-next-line no-control-regex
    assert.doesNotMatch(terminal.output(), /\u001b\[[\d;]*m/)
  })
})

test('for another reader it is printed once', async (t) => {
  const { gateway, upstream } = await startGatewayProcess(t)
  upstream.respondAlways([streamHead(), chunk(firstEvents['/v1/chat/completions']!), hang])
  await openStream(t, gateway, 'job-1')
  const env = { HOME: gateway.folder, ...defaultEnv }
  for (const args of [['top'], ['top', '--once']]) {
    const { status, stdout, stderr } = await runCommand(args, { env })
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(
      stdout,
      /^llm-gateway.* 1 call under way\n\nCalls under way\n {2}id +model[^\n]*\n {2}job-1 +plain /,
    )
  }
  const { stdout } = await runCommand(['top', '--json'], { env })
  assert.equal((JSON.parse(stdout) as { calls: { id: string }[] }).calls[0]!.id, 'job-1')
})

test('without a gateway it fails', async (t) => {
  const { gateway } = await startGatewayProcess(t)
  await gateway.stop()
  const { status, stdout, stderr } = await runCommand(['top'], {
    env: { HOME: gateway.folder, ...defaultEnv },
  })
  assert.deepEqual([status, stdout], [1, ''])
  assert.match(stderr, /^error: no gateway of this user runs/)
})
