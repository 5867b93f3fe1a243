// From clients of the Responses API to providers that speak chat.
import { viewJson } from '../../../bytes/json/view.ts'
import { GatewayError } from '../../../errors.ts'
import type { ProviderDialect } from '../../dialect.ts'
import { bytesOf } from '../../request.ts'
import type { Translator } from '../../translator.ts'
import { askedOf } from '../asked-stream.ts'
import { encodeRequest } from '../request-body.ts'
import { coverage } from './coverage.ts'
import { translateRequest } from './request.ts'
import { ResponseObject } from './response-object.ts'
import { ResponsesTranslation } from './response.ts'

/** @param chat the provider's end of the chat format. */
export function responsesToChat(chat: ProviderDialect): Translator {
  return {
    way: 'responses_chat',
    provider: chat,
    coverage,
    mayAskUsage: ({ isStream }) => isStream,
    begin(request, target) {
      const { model, traits, asksUsage, promptTokens, nowSeconds, newId } = target
      const { body: received, isStream } = request
      const members = viewJson(bytesOf(received)).members()
      const translated = translateRequest(members, { model, traits, asksUsage }, isStream)
      if (translated instanceof GatewayError) return translated
      const { body, dropped, tools, wantsEncryptedReasoning } = translated
      const identity = { id: `resp_${newId()}`, createdAt: nowSeconds, model: request.model }
      const { hasThinkTags } = traits
      const response = new ResponsesTranslation({
        object: new ResponseObject(identity, members),
        tools,
        isStream,
        wantsEncryptedReasoning,
        hasThinkTags,
        promptTokens,
        newId,
      })
      const asked = askedOf(body, response, request, target)
      return {
        ...asked,
        contentType: 'application/json',
        body: encodeRequest(asked.body, received),
        dropped,
        response,
      }
    },
  }
}
