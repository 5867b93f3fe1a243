// One streamed answer of a chat, as its pieces of text. Nothing here knows the page.
import { errorMessage, posted } from './requests.ts'

export interface Turn {
  readonly role: 'user' | 'assistant'
  readonly content: string
  /** Why there is no answer, or only a part. */
  readonly problem?: string
}

interface Piece {
  readonly text: string
  /** The model thinks aloud: not a part of the answer. */
  readonly isReasoning: boolean
}

export interface ChatStream {
  /** Identifies the call among the last ones. */
  readonly requestId: string | null
  readonly pieces: AsyncGenerator<Piece>
}

/** @throws Error with words for people when the gateway refuses, and what `fetch` throws when the signal aborts. */
export async function startChat(
  model: string,
  turns: readonly Turn[],
  signal: AbortSignal,
): Promise<ChatStream> {
  // A turn that was stopped before its first word has no text, which some providers refuse. One that failed is not repeated.
  const messages = turns
    .filter(({ content, problem }, at) => content && !problem && !turns[at + 1]?.problem)
    .map(({ role, content }) => ({ role, content }))
  const response = await fetch('/v1/chat/completions', {
    ...posted({ model, stream: true, messages }),
    signal,
  })
  if (!response.ok) throw new Error(errorMessage(response.status, await response.text()))
  return { requestId: response.headers.get('x-request-id'), pieces: readPieces(response.body!) }
}

async function* readPieces(body: ReadableStream<BufferSource>): AsyncGenerator<Piece> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    const lines = (rest + value).split('\n')
    rest = lines.pop()!
    for (const line of lines) {
      // What is not an object marks the end of the stream.
      if (line.startsWith('data: {')) yield* readEvent(line.slice(6))
    }
  }
}

interface ChatEvent {
  readonly error?: unknown
  readonly choices?: readonly { readonly delta?: Readonly<Record<string, unknown>> }[]
}

function* readEvent(json: string): Generator<Piece> {
  const { error, choices } = JSON.parse(json) as ChatEvent
  if (error) throw new Error(errorMessage(0, json))
  const delta = choices?.[0]?.delta
  for (const member of ['reasoning_content', 'reasoning', 'content']) {
    const text = delta?.[member]
    if (typeof text === 'string' && text) yield { text, isReasoning: member !== 'content' }
  }
}
