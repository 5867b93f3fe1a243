// Headers that OpenAI's own server and Codex exchange with a call of the Responses API.
import type { ProviderTraits } from '../../config/provider-types.ts'
import { responseHeaderNames } from '../../http/headers.ts'

const codexHeader = /^(?:originator|openai-beta|session[-_]id|thread-id|x-codex-.*|x-openai-.*)$/i

/** They describe the user's session and folders, so no other server gets them. */
export function carriesRequestHeader(
  name: string,
  { hasPlatformMembers: isOpenAi }: Pick<ProviderTraits, 'hasPlatformMembers'>,
): boolean {
  return isOpenAi && codexHeader.test(name)
}

const sentBack = /^(?:openai-.*|x-codex-.*|x-models-etag|x-reasoning-included)$/
const ofAllFormats: ReadonlySet<string> = new Set(responseHeaderNames)
/** Of the operator's account. */
const ofAccount: ReadonlySet<string> = new Set(['openai-organization', 'openai-project'])

export function carriesResponseHeader(name: string): boolean {
  return sentBack.test(name) && !ofAllFormats.has(name) && !ofAccount.has(name)
}
