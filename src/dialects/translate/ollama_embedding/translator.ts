// From clients of Ollama's API to providers of OpenAI's embeddings. https://docs.ollama.com/api/embed
import { viewJson } from '../../../bytes/json/view.ts'
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { Coverage } from '../../coverage.ts'
import type { ProviderDialect } from '../../dialect.ts'
import { bytesOf } from '../../request.ts'
import type { Translator } from '../../translator.ts'
import { type Members, memberIn } from '../members.ts'
import { encodeRequest } from '../request-body.ts'
import { RequestNotes } from '../request-notes.ts'
import { embedCoverage, embeddingsCoverage } from './coverage.ts'
import { type EmbeddingForm, EmbeddingResponse } from './response.ts'

interface Route {
  readonly way: string
  readonly coverage: Coverage
  readonly known: ReadonlySet<string>
  readonly bodyOf: (members: Members) => Readonly<Record<string, Encodable | undefined>>
}

const routes: Readonly<Record<EmbeddingForm, Route>> = {
  embed: {
    way: 'ollama_embedding',
    coverage: embedCoverage,
    known: new Set(['model', 'input', 'dimensions']),
    bodyOf: (members) => ({ input: members.get('input'), dimensions: memberIn(members, 'dimensions') }),
  },
  embeddings: {
    way: 'ollama_embeddings_embedding',
    coverage: embeddingsCoverage,
    known: new Set(['model', 'prompt']),
    bodyOf: (members) => ({ input: members.get('prompt') }),
  },
}

/** @param embedding the provider's end of OpenAI's format. */
export function ollamaToEmbedding(form: EmbeddingForm, embedding: ProviderDialect): Translator {
  const { way, coverage, known, bodyOf } = routes[form]
  return {
    way,
    provider: embedding,
    coverage,
    mayAskUsage: () => false,
    begin({ body: received, model }, target) {
      const members = viewJson(bytesOf(received)).members()
      const notes = new RequestNotes()
      notes.dropUnknown(members, known)
      return {
        contentType: 'application/json',
        body: encodeRequest({ model: target.model, ...bodyOf(members) }, received),
        dropped: notes.dropped,
        response: new EmbeddingResponse({ form, model, now: target.now }),
      }
    },
  }
}
