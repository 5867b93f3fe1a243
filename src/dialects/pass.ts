import type { ProviderDialect } from './dialect.ts'
import { managementNotAllowed } from './management.ts'
import type { Reshape, Translator } from './translator.ts'

/**
 * For a provider that supports the client's format: sends the identical bytes, except for what must be spliced in, unless they
 * change its server and that is not allowed.
 */
export function passTo(provider: ProviderDialect, reshape?: Reshape): Translator {
  return {
    way: 'pass',
    provider,
    mayAskUsage: (request) => request.mayAskUsage,
    begin: (request, { providerName, model, asksUsage, allowsManagement, wholeAsStream }) => {
      const { managing } = request
      if (managing !== undefined && !allowsManagement) {
        return managementNotAllowed(`The member ${JSON.stringify(managing)}`, providerName)
      }
      if (wholeAsStream !== undefined && reshape?.assemble !== undefined) {
        const stream = request.streamBodyFor?.(model, wholeAsStream === 'progress')
        if (stream !== undefined) {
          const { contentType } = request
          return { contentType, body: stream, assembly: reshape.assemble(), progressIn: reshape.progressIn }
        }
      }
      const asksProgress = wholeAsStream === 'progress' && request.mayAskProgress === true
      const progressIn = asksProgress ? reshape?.progressIn : undefined
      const body = request.bodyFor(model, asksUsage, progressIn !== undefined)
      return { contentType: request.contentType, body, progressIn, reshape }
    },
  }
}
