// Images and documents: base64 with a media type in one format is a data URL in another. The data is copied as bytes.
import { JoinedText } from '../../bytes/json/encode.ts'
import type { JsonView } from '../../bytes/json/view.ts'

/** The images that Anthropic reads. */
export const messagesImageTypes: ReadonlySet<string> = new Set([
  'image/gif',
  'image/jpeg',
  'image/png',
  'image/webp',
])

const COMMA = 0x2c
/** From `data:` to the comma: a longer beginning belongs to no data URL that anybody writes. */
const maxBeginning = 256
const beginningForm = /^data:([^;,]*)((?:;[^;,]*)*)$/i

interface DataUrl {
  /** In lower case; empty if the URL names none. */
  readonly mediaType: string
  readonly isBase64: boolean
  /** What follows the comma, as the JSON has it: a view on the body. */
  readonly data: Buffer
}

/** @param mediaType and `data`: views on strings. */
export function dataUrl(mediaType: JsonView | string, data: JsonView): JoinedText {
  return new JoinedText('data:', mediaType, ';base64,', data)
}

/** @returns undefined for any string but a data URL. */
export function readDataUrl(url: JsonView): DataUrl | undefined {
  const bytes = url.rawText
  const comma = bytes.subarray(0, maxBeginning).indexOf(COMMA)
  if (comma < 0) return undefined
  // JSON may write a solidus as `\/`; a beginning with other escapes is not taken for one.
  const beginning = bytes.toString('latin1', 0, comma).replaceAll('\\/', '/')
  const [, mediaType, parameters] = beginningForm.exec(beginning) ?? []
  if (mediaType === undefined || parameters === undefined) return undefined
  const isBase64 = /;base64$/i.test(parameters)
  return { mediaType: mediaType.toLowerCase(), isBase64, data: bytes.subarray(comma + 1) }
}
