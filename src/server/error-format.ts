// In which format a request's errors are written: that of the dialect whose route it names, or of the client's API as far
// as its path and headers tell.
import type { IncomingMessage } from 'node:http'
import { renderError as renderAnthropicError } from '../dialects/anthropic/errors.ts'
import type { ClientDialect } from '../dialects/dialect.ts'
import { renderError as renderOllamaError } from '../dialects/ollama/errors.ts'
import { renderError as renderOpenAiError } from '../dialects/openai/errors.ts'
import type { Clock } from '../platform/clock.ts'
import { isMessagesPath, isOllamaPath } from './paths.ts'
import type { RenderError } from './reply.ts'

type ErrorFormat = ClientDialect['renderError']

/** For a request that no dialect's route has taken. */
export function errorFormatOf({ url = '', headers }: IncomingMessage): ErrorFormat {
  if (isOllamaPath(url.replace(/^\/providers\/[^/]+(?=\/api)/, ''))) return renderOllamaError
  // Every client of Anthropic's API sends its version.
  const isAnthropic = headers['anthropic-version'] !== undefined || isMessagesPath(url)
  return isAnthropic ? renderAnthropicError : renderOpenAiError
}

/** Writes errors of one request. */
export function errorRenderer(
  format: ErrorFormat,
  requestId: string,
  { wallNow }: Pick<Clock, 'wallNow'>,
): RenderError {
  return (error) => format(error, { requestId, wallNowMs: wallNow() })
}
