// Images of Ollama's API: base64 without a media type, which the first bytes show. The data is copied as bytes.
import type { Encodable } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { dataUrl } from '../content.ts'
import { type Members, memberIn } from '../members.ts'
import { refuse, type RequestContext } from './context.ts'

/** What base64 of these images begins with. */
const beginnings: readonly (readonly [beginning: string, mediaType: string])[] = [
  ['iVBORw0KGgo', 'image/png'],
  ['/9j/', 'image/jpeg'],
  ['R0lGOD', 'image/gif'],
  ['UklGR', 'image/webp'],
  ['Qk', 'image/bmp'],
]

const longestBeginning = 64

/** The images as parts of a chat message. @param path of the message, with a point behind it; empty for the request itself. */
export function translateImages(
  members: Members,
  path: string,
  context: RequestContext,
): readonly Encodable[] {
  const images = memberIn(members, 'images')
  if (images === undefined) return []
  if (images.kind !== 'array') {
    context.notes.reject(`${path}images`, `${path}images: a list of images in base64 is required.`)
    return []
  }
  return images.elements().map((image, at) => partOf(image, `${path}images.${at}`, context))
}

function partOf(image: JsonView, path: string, context: RequestContext): Encodable {
  if (image.kind !== 'string') {
    context.notes.reject(path, `${path}: an image in base64 is required.`)
    return null
  }
  // JSON may write a solidus as `\/`.
  const start = image.rawText.toString('latin1', 0, longestBeginning).replaceAll('\\/', '/')
  const mediaType = beginnings.find(([beginning]) => start.startsWith(beginning))?.[1]
  if (mediaType === undefined)
    refuse(context, path, 'an image that is not PNG, JPEG, GIF, WebP or BMP in base64')
  return { type: 'image_url', image_url: { url: dataUrl(mediaType ?? '', image) } }
}
