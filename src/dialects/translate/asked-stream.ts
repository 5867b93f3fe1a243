// How a request that was translated to chat asks for its answer. A server that would not notice that a client has left is asked
// for a stream, of which the translation makes the whole answer; llama.cpp also reports how far it is with the prompt.
import type { Encodable } from '../../bytes/json/encode.ts'
import type { GatewayError } from '../../errors.ts'
import { maxHeldBackTokens } from '../openai/json-request.ts'
import { progressIn, progressWish } from '../openai/reshape/progress.ts'
import type { ModelRequest } from '../request.ts'
import type { Assembly, ResponseTranslation, Translation, TranslationTarget } from '../translator.ts'
import { badResponse } from './errors.ts'

/** Of a request's body. */
export interface ChatMembers {
  readonly [member: string]: Encodable | undefined
}

interface Asked extends Pick<Translation, 'assembly' | 'progressIn'> {
  readonly body: ChatMembers
}

/**
 * The body as it is sent to the target.
 * @param body as translated, which asks for what the client asks for.
 * @param response of the same attempt.
 */
export function askedOf(
  body: ChatMembers,
  response: ResponseTranslation,
  { isStream, size }: Pick<ModelRequest, 'isStream' | 'size'>,
  { wholeAsStream }: Pick<TranslationTarget, 'wholeAsStream'>,
): Asked {
  if (wholeAsStream === undefined) return { body }
  const { maxOutputTokens } = size
  const isShort = maxOutputTokens !== undefined && maxOutputTokens <= maxHeldBackTokens
  if (!isStream && (isShort || body['logprobs'] !== undefined)) return { body }
  const asking = {
    ...body,
    ...(!isStream && { stream: true, stream_options: { include_usage: true } }),
    ...(wholeAsStream === 'progress' && { [progressWish]: true }),
  }
  return {
    body: asking,
    ...(!isStream && { assembly: assembledBy(response) }),
    ...(wholeAsStream === 'progress' && { progressIn }),
  }
}

/** By the translation itself, whose client has asked for a whole answer. */
function assembledBy(response: ResponseTranslation): Assembly {
  return {
    contentTypeOf: (head) => response.head(head),
    event: (event, write) => response.event(event, write),
    end: () => wholeOf(response),
  }
}

function wholeOf(response: ResponseTranslation): Buffer | GatewayError {
  return response.end(ignore) ?? badResponse("The provider's stream has no output.")
}

function ignore(): void {}
