// From clients of Ollama's API to providers that speak chat.
import { viewJson } from '../../../bytes/json/view.ts'
import { GatewayError } from '../../../errors.ts'
import type { Coverage } from '../../coverage.ts'
import type { ProviderDialect } from '../../dialect.ts'
import { bytesOf } from '../../request.ts'
import type { Translator } from '../../translator.ts'
import { askedOf } from '../asked-stream.ts'
import { encodeRequest } from '../request-body.ts'
import type { AnswerForm } from './answer.ts'
import { chatCoverage, generateCoverage } from './coverage.ts'
import { translateChat, translateGenerate } from './request.ts'
import { OllamaResponse } from './response.ts'

interface Route {
  readonly way: string
  readonly form: AnswerForm
  readonly translate: typeof translateChat
  readonly coverage: Coverage
}

const routes: Readonly<Record<AnswerForm, Route>> = {
  chat: { way: 'ollama_chat', form: 'chat', translate: translateChat, coverage: chatCoverage },
  generate: {
    way: 'ollama_generate_chat',
    form: 'generate',
    translate: translateGenerate,
    coverage: generateCoverage,
  },
}

/** @param chat the provider's end of the chat format. */
export function ollamaToChat(form: AnswerForm, chat: ProviderDialect): Translator {
  const { way, translate, coverage } = routes[form]
  return {
    way,
    provider: chat,
    coverage,
    mayAskUsage: ({ isStream }) => isStream,
    begin(request, target) {
      const { body: received, isStream, model, onlyLoads } = request
      const members = viewJson(bytesOf(received)).members()
      const isIdle = onlyLoads !== undefined
      const translated = translate({ members, model, isStream, isIdle }, target)
      if (translated instanceof GatewayError) return translated
      const { body, dropped, names } = translated
      const { nowSeconds: created, now, traits } = target
      const { hasThinkTags } = traits
      const response = new OllamaResponse({ form, model, created, isStream, names, now, hasThinkTags })
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
