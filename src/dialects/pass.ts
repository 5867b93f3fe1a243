import type { ProviderDialect } from './dialect.ts'
import type { Translator } from './translator.ts'

/** The way to a provider that speaks the client's format: the identical bytes, but for what must be spliced in. */
export function passTo(provider: ProviderDialect): Translator {
  return {
    way: 'pass',
    provider,
    mayAskUsage: (request) => request.mayAskUsage,
    begin: (request, { model, asksUsage }) => {
      return { contentType: request.contentType, body: request.bodyFor(model, asksUsage) }
    },
  }
}
