// From clients of Messages to providers that speak chat.
import { viewJson } from '../../../bytes/json/view.ts'
import { GatewayError } from '../../../errors.ts'
import type { ProviderDialect } from '../../dialect.ts'
import { bytesOf } from '../../request.ts'
import type { Translator } from '../../translator.ts'
import { askedOf } from '../asked-stream.ts'
import { encodeRequest } from '../request-body.ts'
import { coverage } from './coverage.ts'
import { translateRequest } from './request.ts'
import { MessagesResponse } from './response.ts'

/** @param chat the provider's end of the chat format. */
export function messagesToChat(chat: ProviderDialect): Translator {
  return {
    way: 'messages_chat',
    provider: chat,
    coverage,
    mayAskUsage: ({ isStream }) => isStream,
    begin(request, target) {
      const { body: received, isStream, model } = request
      const members = viewJson(bytesOf(received)).members()
      const translated = translateRequest({ members, model, isStream }, target)
      if (translated instanceof GatewayError) return translated
      const { body, dropped, names, stopSequences } = translated
      const { newId, promptTokens, traits } = target
      const response = new MessagesResponse({
        id: `msg_${newId()}`,
        model,
        isStream,
        promptTokens,
        stopSequences,
        newId,
        names,
        hasThinkTags: traits.hasThinkTags,
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
