import type { ProviderDialect } from './dialect.ts'
import { managementNotAllowed } from './management.ts'
import type { Reshape, Translator } from './translator.ts'

const slotAlone = ['id_slot']

/**
 * For a provider that supports the client's format: sends the identical bytes, except for what must be spliced in, unless they
 * change its server and that is not allowed. A slot of the client's choice is left out there.
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
      const { contentType } = request
      const freesSlot = request.choosesSlot === true && !allowsManagement
      const dropped = freesSlot ? slotAlone : undefined
      if (wholeAsStream !== undefined && reshape?.assemble !== undefined) {
        const body = request.streamBodyFor?.(model, wholeAsStream === 'progress', freesSlot)
        if (body !== undefined) {
          const assembly = reshape.assemble()
          return { contentType, body, dropped, assembly, progressIn: reshape.progressIn }
        }
      }
      const asksProgress = wholeAsStream === 'progress' && request.mayAskProgress === true
      const progressIn = asksProgress ? reshape?.progressIn : undefined
      const body = request.bodyFor(model, asksUsage, progressIn !== undefined, freesSlot)
      return { contentType, body, dropped, progressIn, reshape }
    },
  }
}
