// Errors that a server writes into its event stream in a form that readers of SSE pass over.
import { isObject, parseJson } from '../../bytes/json/parse.ts'
import { encodeEvent } from '../../bytes/sse.ts'
import { errorHeadOf } from './errors.ts'

const OPENING = 0x7b
const E = 0x65
const R = 0x72
const errorField = 'error:'
/** What is longer is no error. */
const maxErrorBytes = 65_536

/**
 * The event with its error as data: llama.cpp wrote it into a field named `error` until late 2025
 * (https://github.com/ggml-org/llama.cpp/pull/16109), and Lemonade sends it without any field
 * (https://github.com/lemonade-sdk/lemonade/issues/2826). Other events are returned as they are.
 */
export function standardEvent(event: Buffer): Buffer {
  // Called for each event: destructuring would run an iterator.
  const first = event[0]
  const isField = first === E && event[1] === R
  if ((!isField && first !== OPENING) || event.length > maxErrorBytes) return event
  const text = event.toString().trimEnd()
  if (first === OPENING) {
    return errorHeadOf(Buffer.from(text)) === undefined ? event : encodeEvent({ data: text })
  }
  const value = text.startsWith(errorField) ? text.slice(errorField.length) : ''
  return isObject(parseJson(Buffer.from(value))) ? encodeEvent({ data: `{"error":${value}}` }) : event
}
