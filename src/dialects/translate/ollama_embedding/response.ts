// Embeddings of OpenAI's API for a client of Ollama's. Their numbers are copied as they were written.
import { encodeWhole } from '../../../bytes/json/encode.ts'
import { isObject, membersOf, parseJson } from '../../../bytes/json/parse.ts'
import { type JsonView, viewJson } from '../../../bytes/json/view.ts'
import type { ResponseHead } from '../../../domain.ts'
import type { ResponseTranslation, TranslatedEnd, TranslatedStep } from '../../translator.ts'
import { badResponse } from '../errors.ts'
import { translateError } from '../ollama_chat/response.ts'
import { countOf } from '../usage.ts'

/** `embed`: one list for each text. `embeddings`: the older route, with one list for its one text. */
export type EmbeddingForm = 'embed' | 'embeddings'

interface ResponseOptions {
  readonly form: EmbeddingForm
  /** As the client named it. */
  readonly model: string
  /** Milliseconds of the monotonic clock. */
  readonly now: () => number
}

const nsPerMs = 1_000_000

/** One response. */
export class EmbeddingResponse implements ResponseTranslation {
  readonly #options: ResponseOptions
  readonly #begunAtMs: number

  constructor(options: ResponseOptions) {
    this.#options = options
    this.#begunAtMs = options.now()
  }

  head(): string {
    return 'application/json'
  }

  event(): TranslatedStep {
    return badResponse("The provider's response is a stream, which embeddings have not.")
  }

  end(): TranslatedEnd {
    return badResponse("The provider's response has no embeddings.")
  }

  whole(body: Buffer, value: unknown = parseJson(body)): TranslatedEnd {
    if (!isObject(value) || !Array.isArray(value['data'])) return this.end()
    const items = viewJson(body).members().get('data')?.elements() ?? []
    const lists = inOrder(items).map((item) => item.members().get('embedding'))
    if (lists.some((list) => list?.kind !== 'array')) return this.end()
    const embeddings = lists.filter((list) => list !== undefined)
    const { form, model, now } = this.#options
    if (form === 'embeddings') {
      const [embedding] = embeddings
      return embedding === undefined ? this.end() : encodeWhole({ embedding })
    }
    return encodeWhole({
      model,
      embeddings,
      total_duration: Math.round((now() - this.#begunAtMs) * nsPerMs),
      prompt_eval_count: countOf(membersOf(value['usage'])['prompt_tokens']),
    })
  }

  error({ status }: ResponseHead, body: Buffer): Buffer {
    return translateError(status, body)
  }

  heartbeat(): Buffer {
    return Buffer.alloc(0)
  }
}

/** By `index`, as far as the server writes one. */
function inOrder(items: readonly JsonView[]): readonly JsonView[] {
  const indexOf = (item: JsonView, at: number) => {
    const index = item.members().get('index')
    return index?.kind === 'number' ? Number(index.value()) : at
  }
  const placed = items.map((item, at) => ({ item, at: indexOf(item, at) }))
  return placed.toSorted((one, other) => one.at - other.at).map(({ item }) => item)
}
