// The wire formats for clients, sorted by path, and the translators from them to providers' formats.
import { countDialect, messagesDialect } from './anthropic/messages.ts'
import { messageReshape } from './anthropic/reshape.ts'
import type { ClientDialect } from './dialect.ts'
import { nativeDialects } from './native/formats.ts'
import { ollamaDialects } from './ollama/formats.ts'
import { ollamaReshape } from './ollama/reshape.ts'
import { openAiDialects } from './openai/formats.ts'
import { inputTokensDialect } from './openai/input-tokens.ts'
import { reshapes } from './openai/reshape/table.ts'
import { passTo } from './pass.ts'
import { chatToMessages } from './translate/chat_messages/translator.ts'
import { ollamaToChat } from './translate/ollama_chat/translator.ts'
import { ollamaToEmbedding } from './translate/ollama_embedding/translator.ts'
import { ollamaToMessages } from './translate/ollama_messages/translator.ts'
import { messagesToChat } from './translate/messages_chat/translator.ts'
import { responsesToChat } from './translate/responses_chat/translator.ts'
import { responsesToMessages } from './translate/responses_messages/translator.ts'
import type { Reshape, Translator } from './translator.ts'

/** Of each format at the client's end the ways to providers, the best first: the first that a provider speaks is taken. */
export type Dialects = ReadonlyMap<ClientDialect, readonly Translator[]>

const clientDialects = [
  ...openAiDialects,
  ...nativeDialects,
  ...ollamaDialects,
  inputTokensDialect,
  messagesDialect,
  countDialect,
].toSorted((one, other) => (one.path < other.path ? -1 : 1))

const { native: messages } = messagesDialect
const chat = clientDialects.find(({ name }) => name === 'chat')!.native
const embedding = clientDialects.find(({ name }) => name === 'embedding')!.native

/** The ways besides passing, by the name of the client's format. */
const translators: ReadonlyMap<string, readonly Translator[]> = new Map([
  ['chat', [chatToMessages(messages)]],
  ['messages', [messagesToChat(chat)]],
  ['ollama_chat', [ollamaToChat('chat', chat), ollamaToMessages('chat', chat, messages)]],
  ['ollama_embed', [ollamaToEmbedding('embed', embedding)]],
  ['ollama_embeddings', [ollamaToEmbedding('embeddings', embedding)]],
  ['ollama_generate', [ollamaToChat('generate', chat), ollamaToMessages('generate', chat, messages)]],
  ['response', [responsesToChat(chat), responsesToMessages(chat, messages)]],
])

export const dialects: Dialects = new Map(
  clientDialects.map((client) => {
    return [client, [passTo(client.native, reshapeOf(client)), ...(translators.get(client.name) ?? [])]]
  }),
)

function reshapeOf(client: ClientDialect): Reshape | undefined {
  if (client === messagesDialect) return messageReshape
  return ollamaDialects.includes(client) ? ollamaReshape : reshapes.get(client.name)
}
