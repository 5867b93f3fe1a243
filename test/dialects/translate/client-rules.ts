// What a client of a conversation format may receive: a stream that keeps the format's rules and has one end, an error in the
// format's envelope, a whole response.
import assert from 'node:assert/strict'
import { membersOf, parseJson } from '../../../src/bytes/json/parse.ts'
import { readChat } from './chat-rules.ts'
import { readResponse } from './codex-rules.ts'
import { readMessage } from './messages-rules.ts'
import { type OllamaForm, readAnswer, readLines } from './ollama-rules.ts'

/** As `ClientDialect.name` has them. */
export type Conversation = 'chat' | 'messages' | 'response'

/** Those of clients alone, too. */
export type ClientFormat = Conversation | OllamaForm

export interface ClientError {
  readonly message: string
  /** Absent in Messages and in Ollama's API. */
  readonly code: string | undefined
  readonly type: string | undefined
}

export interface ReadStream {
  /** What the model says. */
  readonly text: string
  readonly end: 'whole' | 'none' | ClientError
}

/** @throws AssertionError for the first rule that is broken. A stream may lack its end, but only whole events are read. */
export function readStream(dialect: ClientFormat, stream: string): ReadStream {
  switch (dialect) {
    case 'chat': {
      const { text, error, hasEnd } = readChat(stream)
      return { text, end: endOf(error, hasEnd) }
    }
    case 'messages': {
      const { content, error } = readMessage(stream)
      const isWhole = /(?:^|\n)event: message_stop\ndata: [^\n]*\n\n$/.test(stream)
      const text = content.map((block) => (typeof block['text'] === 'string' ? block['text'] : '')).join('')
      return { text, end: endOf(error, isWhole) }
    }
    case 'response': {
      const { text, end } = readResponse(stream)
      const error = end?.type === 'response.failed' ? end.response!.error! : undefined
      return { text, end: endOf(error, end !== undefined) }
    }
    case 'ollama_chat':
    case 'ollama_generate': {
      const { text, error, hasEnd } = readLines(dialect, stream)
      return { text, end: endOf(error === undefined ? undefined : { message: error }, hasEnd) }
    }
    default:
      return dialect satisfies never
  }
}

function endOf(error: object | undefined, isWhole: boolean): ReadStream['end'] {
  if (error === undefined) return isWhole ? 'whole' : 'none'
  return clientError(error)
}

function clientError(error: object): ClientError {
  const { message, code, type } = membersOf(error)
  assert.equal(typeof message, 'string', 'an error has a message')
  const textOf = (value: unknown) =>
    typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
  return { message: message as string, code: textOf(code), type: textOf(type) }
}

/** @throws AssertionError if the body is no error of the format. */
export function readErrorBody(dialect: ClientFormat, body: Buffer): ClientError {
  const envelope = membersOf(parseJson(body))
  const isText = dialect === 'ollama_chat' || dialect === 'ollama_generate'
  const members = isText ? { message: envelope['error'] } : membersOf(envelope['error'])
  const error = clientError(members)
  if (dialect === 'messages') {
    assert.equal(envelope['type'], 'error')
    assert.equal(typeof error.type, 'string')
  }
  return error
}

/** @throws AssertionError if the body is no whole response of the format. @returns what the model says. */
export function readWhole(dialect: ClientFormat, body: Buffer): string {
  const members = membersOf(parseJson(body))
  const seen = body.toString('utf8', 0, 300)
  switch (dialect) {
    case 'chat': {
      assert.equal(members['object'], 'chat.completion', seen)
      assert.equal(listOf(members['choices']).length, 1, seen)
      const [choice] = listOf(members['choices'])
      assert.equal(typeof choice!['finish_reason'], 'string', seen)
      return textOf(membersOf(choice!['message'])['content'] ?? '')
    }
    case 'messages':
      assert.equal(members['type'], 'message', seen)
      assert.equal(members['role'], 'assistant', seen)
      assert.equal(typeof members['stop_reason'], 'string', seen)
      return listOf(members['content'])
        .map(({ text = '' }) => textOf(text))
        .join('')
    case 'response': {
      assert.equal(members['object'], 'response', seen)
      assert.ok(['completed', 'incomplete'].includes(String(members['status'])), seen)
      const parts = listOf(members['output']).flatMap(({ content = [] }) => listOf(content))
      return parts.map(({ text = '' }) => textOf(text)).join('')
    }
    case 'ollama_chat':
    case 'ollama_generate':
      assert.equal(members['done'], true, seen)
      assert.equal(typeof members['done_reason'], 'string', seen)
      return readAnswer(dialect, members)
    default:
      return dialect satisfies never
  }
}

function listOf(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  assert.ok(Array.isArray(value), 'a list')
  return value.map((each) => membersOf(each))
}

function textOf(value: unknown): string {
  assert.equal(typeof value, 'string', 'a text')
  return value as string
}
