// Does a contender answer right? Asked before anything is timed: a wrong set-up must not pass for a fast one.
import { exchange } from './instance.ts'
import { chatBody, digestOf, messages, requestBytes, StreamCheck, type Addressing } from './wire.ts'
import { connect } from 'node:net'
import { MessageReader } from './message-reader.ts'
import { marker } from './wire.ts'

const streamEvents = 8
const streamGapMs = 25
const bigBytes = 1_000_000

/** @returns what was wrong, one sentence each; nothing when all answers were right. */
export async function checkAnswers(address: Addressing, model: string): Promise<string[]> {
  const checks = [checkPlain, checkDigest, checkBig, checkRefusal, checkStream]
  const faults: string[] = []
  for (const check of checks) {
    const fault = await check(address, model).catch((error: unknown) => `no answer (${String(error)})`)
    if (fault !== undefined) faults.push(`${check.name.slice('check'.length).toLowerCase()}: ${fault}`)
  }
  return faults
}

type Check = (address: Addressing, model: string) => Promise<string | undefined>

const checkPlain: Check = async (address, model) => {
  const { status, body } = await exchange(address, chatBody(model, { kind: 'plain' }))
  if (status !== 200) return `status ${status}`
  return contentOf(body) === marker ? undefined : 'the answer is another one'
}

/** The messages reach the upstream as they were sent. */
const checkDigest: Check = async (address, model) => {
  const { body } = await exchange(address, chatBody(model, { kind: 'digest' }))
  return contentOf(body) === digestOf(messages(0)) ? undefined : 'the messages arrived changed'
}

const checkBig: Check = async (address, model) => {
  const script = { kind: 'big', bytes: bigBytes } as const
  const { status } = await exchange(address, chatBody(model, script, bigBytes))
  return status === 200 ? undefined : `status ${status}`
}

/** A refusal of the provider reaches the client with its status. */
const checkRefusal: Check = async (address, model) => {
  const { status } = await exchange(address, chatBody(model, { kind: 'refuse', status: 404 }))
  return status === 404 ? undefined : `status ${status} in place of 404`
}

/** All events, in order, and as they come: the first one long before the last. */
const checkStream: Check = (address, model) =>
  new Promise((resolve, reject) => {
    const script = { kind: 'stream', events: streamEvents, gapMs: streamGapMs } as const
    const stream = new StreamCheck()
    let [status, firstMs] = [0, 0]
    const socket = connect({ port: address.port, host: '127.0.0.1' })
    const reader = new MessageReader({
      onHead: (head) => (status = Number(head.slice(9, 12))),
      onBody(piece) {
        if (stream.take(piece) > 0 && firstMs === 0) firstMs = performance.now()
      },
      onEnd() {
        socket.destroy()
        const spanMs = performance.now() - firstMs
        if (status !== 200) resolve(`status ${status}`)
        else if (stream.isWrong || stream.events !== streamEvents) resolve(`${stream.events} events in order`)
        else if (!stream.isDone) resolve('no [DONE]')
        else if (spanMs < (streamEvents * streamGapMs) / 2) resolve('the events came all at once')
        else resolve(undefined)
      },
    })
    socket.setTimeout(20_000, () => socket.destroy(new Error('no end in 20 s')))
    socket.on('data', (data: Buffer) => reader.push(data))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
    socket.write(requestBytes(address, chatBody(model, script)))
  })

function contentOf(body: string): unknown {
  try {
    const answer = JSON.parse(body) as { choices?: { message?: { content?: unknown } }[] }
    return answer.choices?.[0]?.message?.content
  } catch {
    return undefined
  }
}
