// A receiver of spans on a real socket. It reads the protobuf messages by their field numbers
// (https://github.com/open-telemetry/opentelemetry-proto, trace.proto), not with the library that wrote them.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { soon } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

export type AttributeValue = string | number | boolean

export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty: none. */
  readonly parentId: string
  readonly state: string
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client' | undefined
  /** In nanoseconds since 1970. */
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, AttributeValue>>
  readonly events: readonly { readonly name: string; readonly at: bigint }[]
  readonly hasFailed: boolean
  readonly resource: Readonly<Record<string, AttributeValue>>
}

export interface ReceivedExport {
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface OtlpReceiver {
  readonly url: string
  readonly exports: readonly ReceivedExport[]
  /** Of all exports in protobuf. */
  spans(): ReceivedSpan[]
  /** Resolves once that many requests have come. */
  received(count: number): Promise<void>
  /** Answers further requests so; undefined: with 200. */
  answer: RequestListener | undefined
}

export async function startOtlpReceiver(t: Cleanup): Promise<OtlpReceiver> {
  const exports: ReceivedExport[] = []
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      exports.push({ target: request.url!, headers: request.headers, body: Buffer.concat(chunks) })
      for (const look of waiting) look()
      if (receiver.answer === undefined) response.end()
      else receiver.answer(request, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const receiver: OtlpReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    exports,
    spans: () => exports.flatMap(({ body }) => spansIn(body)),
    received(count) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const look = () => {
        if (exports.length >= count) resolve()
      }
      waiting.add(look)
      look()
      return soon(promise, () => `${count} exports`)
    },
    answer: undefined,
  }
  return receiver
}

/** Fields of a message, in order: its number and a whole number, 8 bytes, or bytes. */
function* fieldsOf(bytes: Buffer): Generator<[number: number, value: bigint | Buffer]> {
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at]
      if (byte === undefined) throw new Error('the message ends within a number')
      at += 1
      value |= BigInt(byte & 127) << shift
      if (byte < 128) return value
    }
  }
  const take = (length: number) => {
    if (at + length > bytes.length) throw new Error('the message ends within a field')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const number = tag >> 3
    const type = tag & 7
    if (type === 0) yield [number, varint()]
    else if (type === 1) yield [number, take(8)]
    else if (type === 2) yield [number, take(Number(varint()))]
    else if (type === 5) yield [number, take(4)]
    else throw new Error(`field ${number} has the type ${type}`)
  }
}

function all(message: Buffer, number: number): (bigint | Buffer)[] {
  return [...fieldsOf(message)].filter(([each]) => each === number).map(([, value]) => value)
}

function messages(message: Buffer, number: number): Buffer[] {
  return all(message, number).filter((value) => Buffer.isBuffer(value))
}

function text(message: Buffer, number: number, encoding: 'utf8' | 'hex' = 'utf8'): string {
  return messages(message, number)[0]?.toString(encoding) ?? ''
}

function attributesOf(list: readonly Buffer[]): Record<string, AttributeValue> {
  return Object.fromEntries(list.map((pair) => [text(pair, 1), valueOf(messages(pair, 2)[0]!)]))
}

/** Of an AnyValue: text, truth, a whole number or a double. */
function valueOf(message: Buffer): AttributeValue {
  for (const [number, value] of fieldsOf(message)) {
    if (number === 1) return (value as Buffer).toString()
    if (number === 2) return value === 1n
    if (number === 3) return Number(value)
    if (number === 4) return (value as Buffer).readDoubleLE()
  }
  throw new Error('an attribute without a value')
}

const kinds: Readonly<Record<string, ReceivedSpan['kind']>> = { 1: 'internal', 2: 'server', 3: 'client' }

function spansIn(body: Buffer): ReceivedSpan[] {
  return messages(body, 1).flatMap((ofResource) => {
    const resource = attributesOf(messages(messages(ofResource, 1)[0]!, 1))
    const spans = messages(ofResource, 2).flatMap((ofScope) => messages(ofScope, 2))
    return spans.map((span): ReceivedSpan => {
      const time = (message: Buffer, number: number) => messages(message, number)[0]!.readBigUInt64LE()
      const status = messages(span, 15)[0]
      return {
        traceId: text(span, 1, 'hex'),
        spanId: text(span, 2, 'hex'),
        state: text(span, 3),
        parentId: text(span, 4, 'hex'),
        name: text(span, 5),
        kind: kinds[String(all(span, 6)[0])],
        start: time(span, 7),
        end: time(span, 8),
        attributes: attributesOf(messages(span, 9)),
        events: messages(span, 11).map((event) => ({ name: text(event, 2), at: time(event, 1) })),
        hasFailed: status !== undefined && all(status, 3)[0] === 2n,
        resource,
      }
    })
  })
}
