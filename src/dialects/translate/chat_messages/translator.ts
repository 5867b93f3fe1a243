// Chat clients on a provider of Anthropic's Messages API.
import { GatewayError } from '../../../errors.ts'
import { viewJson } from '../../../bytes/json/view.ts'
import type { ProviderDialect } from '../../dialect.ts'
import { bytesOf } from '../../request.ts'
import type { Translator } from '../../translator.ts'
import { encodeRequest } from '../request-body.ts'
import { coverage } from './coverage.ts'
import { toMessages } from './request.ts'
import { ChatFromMessages } from './response.ts'

/** @param provider the Messages format at the provider's end. */
export function chatToMessages(provider: ProviderDialect): Translator {
  return {
    way: 'chat_messages',
    provider,
    coverage,
    // The format reports usage without being asked.
    mayAskUsage: () => false,
    begin(request, target) {
      const { body: received, isStream, model } = request
      const translated = toMessages(viewJson(bytesOf(received)), isStream, target)
      if (translated instanceof GatewayError) return translated
      const { body, dropped, wantsUsage, isLegacy, names } = translated
      const facts = { id: `chatcmpl-${target.newId()}`, created: target.nowSeconds, model, isLegacy, names }
      return {
        contentType: 'application/json',
        body: encodeRequest(body, received),
        dropped,
        response: new ChatFromMessages({ ...facts, isStream, wantsUsage }, provider),
      }
    },
  }
}
