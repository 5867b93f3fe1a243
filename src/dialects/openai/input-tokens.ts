// Counting the tokens of a Responses request.
// https://platform.openai.com/docs/api-reference/responses/input-tokens
import { membersOf, parseJson } from '../../bytes/json/parse.ts'
import type { ClientDialect } from '../dialect.ts'
import { isTokenCount } from '../usage.ts'
import { judgeWholeResponse } from '../whole-response.ts'
import { errorHeadOf } from './errors.ts'
import { openAiDialects } from './formats.ts'

const path = '/responses/input_tokens'
const object = 'response.input_tokens'

const responses = openAiDialects.find(({ name }) => name === 'response')!

/** Few servers that speak Responses have this route. */
export const inputTokensDialect: ClientDialect = {
  ...responses,
  name: 'other',
  path,
  hasEvents: false,
  hasOutputTokens: false,
  native: {
    ...responses.native,
    path,
    judgeWhole: (head, body) =>
      judgeWholeResponse(head, body, { mayBeEmpty: false, errorHeadOf, outputMember: undefined }),
  },
  count: {
    isCount: (body) => isTokenCount(membersOf(parseJson(body))['input_tokens']),
    render: (promptTokens) => Buffer.from(JSON.stringify({ object, input_tokens: promptTokens })),
  },
}
