// Responses of routes that pass as they are: nothing is known of their form but how errors, events and usage look.
import type { ProviderDialect } from '../dialect.ts'
import { chatStream } from './chat-stream.ts'
import { readErrorCode, readErrorFields } from './errors.ts'
import { usageReader } from './usage.ts'

export const ownApiEvents = chatStream.ownEvents

/** @param path below the provider's base URL, for messages. */
export function apiDialect(path: string): ProviderDialect {
  return { ...apiFormat, path }
}

const apiFormat: Omit<ProviderDialect, 'path'> = {
  name: 'other',
  isEndMark: () => false,
  isPreamble: () => false,
  standardEvent: (event) => event,
  errorHeadOf: () => undefined,
  judgeWhole: () => ({ kind: 'response' }),
  ending: () => 'complete',
  readErrorFields,
  readErrorCode,
  usage: { ...usageReader, textBytes: () => 0 },
  mayRefuseUsage: () => false,
}
