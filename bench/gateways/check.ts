// Does a contender answer right? Asked before anything is timed: a wrong set-up must not pass for a fast one.
import { connect } from 'node:net'
import { entranceOf } from './contender.ts'
import { formats } from './formats.ts'
import { exchange, type Instance } from './instance.ts'
import { MessageReader } from './message-reader.ts'
import {
  type Addressing,
  digestOf,
  expectedTurns,
  type Format,
  marker,
  messages,
  requestBytes,
  type Script,
  StreamCheck,
} from './wire.ts'

const streamEvents = 8
const streamGapMs = 25
const bigBytes = 1_000_000

/** @returns what was wrong with calls in this format, one sentence each; nothing when all answers were right. */
export async function checkAnswers(
  { contender, addressOf }: Pick<Instance, 'contender' | 'addressOf'>,
  format: Format,
): Promise<string[]> {
  const { model } = entranceOf(contender, format)
  const address = addressOf(format)
  const write: Asked['write'] = (script, bulkBytes) => formats[format].body(model, script, bulkBytes)
  const checks = format === 'chat' ? passed : translated
  const faults: string[] = []
  for (const check of checks) {
    const fault = await check({ format, address, write }).catch(
      (error: unknown) => `no answer (${String(error)})`,
    )
    if (fault !== undefined) faults.push(`${check.name.slice('check'.length).toLowerCase()}: ${fault}`)
  }
  return faults
}

interface Asked {
  readonly format: Format
  readonly address: Addressing
  /** The body of a call. */
  readonly write: (script: Script, bulkBytes?: number) => string
}

type Check = (asked: Asked) => Promise<string | undefined>

const checkPlain: Check = async ({ format, address, write }) => {
  const { status, body } = await exchange(address, write({ kind: 'plain' }))
  if (status !== 200) return `status ${status}`
  return contentOf(format, body) === marker ? undefined : 'the answer is another one'
}

/** The messages reach the upstream as they were sent. */
const checkDigest: Check = async ({ format, address, write }) => {
  const { body } = await exchange(address, write({ kind: 'digest' }))
  return contentOf(format, body) === digestOf(messages(0)) ? undefined : 'the messages arrived changed'
}

/** The upstream is told the same, in its own format. */
const checkTurns: Check = async ({ format, address, write }) => {
  const script = { kind: 'turns' } as const
  const { body } = await exchange(address, write(script))
  if (contentOf(format, body) === digestOf(expectedTurns(script))) return undefined
  return 'the upstream was told something else'
}

const checkBig: Check = async ({ address, write }) => {
  const { status } = await exchange(address, write({ kind: 'big', bytes: bigBytes }, bigBytes))
  return status === 200 ? undefined : `status ${status}`
}

/** A refusal of the provider reaches the client with its status. */
const checkRefusal: Check = async ({ address, write }) => {
  const { status } = await exchange(address, write({ kind: 'refuse', status: 404 }))
  return status === 404 ? undefined : `status ${status} in place of 404`
}

/** All events, in order, and as they come: the first one long before the last. */
const checkStream: Check = ({ format, address, write }) =>
  new Promise((resolve, reject) => {
    const script = { kind: 'stream', events: streamEvents, gapMs: streamGapMs } as const
    const stream = new StreamCheck(format)
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
        else if (!stream.isDone) resolve('the stream has no end')
        else if (spanMs < (streamEvents * streamGapMs) / 2) resolve('the events came all at once')
        else resolve(undefined)
      },
    })
    socket.setTimeout(20_000, () => socket.destroy(new Error('no end in 20 s')))
    socket.on('data', (data: Buffer) => reader.push(data))
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed')))
    socket.write(requestBytes(address, write(script)))
  })

const passed: readonly Check[] = [checkPlain, checkDigest, checkBig, checkRefusal, checkStream]
const translated: readonly Check[] = [checkPlain, checkTurns, checkStream]

/** The text of a whole answer; undefined where it does not stand where the format has it. */
function contentOf(format: Format, body: string): unknown {
  try {
    const answer: unknown = JSON.parse(body)
    return readers[format]?.(answer as never)
  } catch {
    return undefined
  }
}

interface Message {
  readonly type: string
  readonly role: string
  readonly stop_reason: string
  readonly content: readonly { readonly type: string; readonly text: string }[]
}

interface Response {
  readonly object: string
  readonly status: string
  readonly output: readonly {
    readonly type: string
    readonly content: readonly { readonly type: string; readonly text: string }[]
  }[]
}

const readers: Readonly<Partial<Record<Format, (answer: never) => unknown>>> = {
  chat: (answer: { choices: { message: { content: unknown } }[] }) => answer.choices[0]?.message.content,
  messages({ type, role, stop_reason, content }: Message) {
    const isRight = type === 'message' && role === 'assistant' && stop_reason === 'end_turn'
    return isRight ? content.find((block) => block.type === 'text')?.text : undefined
  },
  responses({ object, status, output }: Response) {
    if (object !== 'response' || status !== 'completed') return undefined
    const message = output.find((item) => item.type === 'message')
    return message?.content.find((part) => part.type === 'output_text')?.text
  },
}
