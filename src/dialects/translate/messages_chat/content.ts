// Blocks of Messages content that a user may send, as parts of a chat message.
// https://docs.claude.com/en/api/messages
import { type Encodable, JoinedText } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { dataUrl } from '../content.ts'
import { type Members, memberIn } from '../members.ts'
import { refuse, type RequestContext } from './context.ts'

/** One text, as it is written into the request. */
export type Text = JsonView | JoinedText | string

/** A part of a message: a text, or in chat's form what is none. */
export type Part = { readonly text: Text } | { readonly media: Encodable }

type PartReader = (members: Members, path: string, context: RequestContext) => readonly Part[]

const textMembers: ReadonlySet<string> = new Set(['type', 'text'])
const imageMembers: ReadonlySet<string> = new Set(['type', 'source', 'transformations'])
const documentMembers: ReadonlySet<string> = new Set(['type', 'source', 'title', 'context'])
const searchMembers: ReadonlySet<string> = new Set(['type', 'source', 'title', 'content'])
const referenceMembers: ReadonlySet<string> = new Set(['type', 'tool_name'])

const readers: ReadonlyMap<string, PartReader> = new Map([
  ['document', readDocument],
  ['image', readImage],
  ['search_result', readSearchResult],
  ['text', readText],
  ['tool_reference', readToolReference],
])

/**
 * The parts of a content that is a text or a list of blocks.
 * @param path for errors: `messages.0.content`.
 */
export function readContent(
  content: JsonView | undefined,
  path: string,
  context: RequestContext,
): readonly Part[] {
  if (content?.kind === 'string') return partOf(content)
  if (content?.kind === 'array') {
    return content.elements().flatMap((block, at) => readBlock(block.members(), `${path}.${at}`, context))
  }
  context.notes.reject(path, `${path}: a text or a list of content blocks is required.`)
  return []
}

/** The parts of one block. @param path of the block, for errors. */
export function readBlock(members: Members, path: string, context: RequestContext): readonly Part[] {
  const type = members.get('type')?.text()
  const read = readers.get(type ?? '')
  if (read !== undefined) return read(members, path, context)
  if (type === undefined) context.notes.reject(path, `${path}: a content block with a "type" is required.`)
  else refuse(context, path, `content of type "${type.slice(0, 64)}"`)
  return []
}

/** The texts alone; what else there is, is refused. */
export function readTexts(
  content: JsonView | undefined,
  path: string,
  context: RequestContext,
): readonly Text[] {
  return readContent(content, path, context).flatMap((part) => {
    if ('text' in part) return [part.text]
    context.notes.reject(path, `${path}: only text is allowed here.`)
    return []
  })
}

/** One text as it is, several in one string. */
export function joinTexts(texts: readonly Text[], separator: string): Text {
  const [first = ''] = texts
  if (texts.length <= 1) return first
  return new JoinedText(texts.flatMap((text, at) => [...(at === 0 ? [] : [separator]), ...piecesOf(text)]))
}

/** The pieces of which a longer text is joined. */
export function piecesOf(text: Text): JoinedText['parts'] {
  return text instanceof JoinedText ? text.parts : [text]
}

/** The content of a chat message: its only text, or its parts. */
export function contentOf(parts: readonly Part[], hasTextParts: boolean): Encodable {
  const texts = parts.filter((part) => 'text' in part).map(({ text }) => text)
  const isText = texts.length === parts.length
  if (isText && (parts.length <= 1 || !hasTextParts)) return joinTexts(texts, '\n\n')
  return parts.map((part) => ('text' in part ? { type: 'text', text: part.text } : part.media))
}

/** An empty text says nothing, and some servers refuse it. */
function partOf(text: JsonView): readonly Part[] {
  return text.rawText.length === 0 ? [] : [{ text }]
}

function readText(members: Members, path: string, { notes }: RequestContext): readonly Part[] {
  notes.dropUnknown(members, textMembers, path.startsWith('system') ? 'system.' : 'content.')
  const text = members.get('text')
  if (text?.kind === 'string') return partOf(text)
  notes.reject(`${path}.text`, `${path}: a text block with a "text" is required.`)
  return []
}

function readImage(members: Members, path: string, context: RequestContext): readonly Part[] {
  context.notes.dropUnknown(members, imageMembers, 'content.')
  if (memberIn(members, 'transformations') !== undefined) {
    refuse(context, `${path}.transformations`, 'an image with "transformations"')
  }
  const source = members.get('source')?.members()
  const type = source?.get('type')?.text()
  const [data, mediaType, url] = ['data', 'media_type', 'url'].map((name) => textIn(source, name))
  if (type === 'base64' && data !== undefined && mediaType !== undefined) {
    return [{ media: { type: 'image_url', image_url: { url: dataUrl(mediaType, data) } } }]
  }
  if (type === 'url' && url !== undefined) return [{ media: { type: 'image_url', image_url: { url } } }]
  refuseSource(type, path, context)
  return []
}

function readDocument(members: Members, path: string, context: RequestContext): readonly Part[] {
  context.notes.dropUnknown(members, documentMembers, 'content.')
  const source = members.get('source')?.members()
  const type = source?.get('type')?.text()
  const title = textIn(members, 'title')
  const heading = ['title', 'context'].flatMap((name) => textIn(members, name) ?? [])
  const [data, mediaType] = ['data', 'media_type'].map((name) => textIn(source, name))
  if (type === 'text' && data !== undefined) return [{ text: joinTexts([...heading, data], '\n') }]
  if (type === 'content') {
    const parts = readContent(source?.get('content'), `${path}.source.content`, context)
    return [...heading.map((text) => ({ text })), ...parts]
  }
  if (type === 'base64' && data !== undefined && mediaType !== undefined) {
    if (!context.traits.hasFileParts) refuse(context, path, `a document of type "${labelOf(mediaType)}"`)
    const file = { filename: title ?? 'document.pdf', file_data: dataUrl(mediaType, data) }
    const about = textIn(members, 'context')
    return [...(about === undefined ? [] : [{ text: about }]), { media: { type: 'file', file } }]
  }
  refuseSource(type, path, context)
  return []
}

function readSearchResult(members: Members, path: string, context: RequestContext): readonly Part[] {
  context.notes.dropUnknown(members, searchMembers, 'content.')
  const heading = ['title', 'source'].flatMap((name) => textIn(members, name) ?? [])
  const texts = readTexts(members.get('content'), `${path}.content`, context)
  return [{ text: joinTexts([...heading, ...texts], '\n') }]
}

function readToolReference(members: Members, path: string, context: RequestContext): readonly Part[] {
  context.notes.dropUnknown(members, referenceMembers, 'content.')
  const name = members.get('tool_name')?.text()
  if (name !== undefined) return [{ text: context.names.toProvider(name) }]
  context.notes.reject(`${path}.tool_name`, `${path}: a tool reference with a "tool_name" is required.`)
  return []
}

function refuseSource(type: string | undefined, path: string, context: RequestContext): void {
  const param = `${path}.source`
  const isKnown = type === 'file' || type === 'url'
  if (isKnown) refuse(context, param, `a source of type "${type}"`)
  else
    context.notes.reject(
      param,
      `${param}: a source with a "type" that is allowed here, and its data, is required.`,
    )
}

function textIn(members: Members | undefined, name: string): JsonView | undefined {
  const view = members?.get(name)
  return view?.kind === 'string' ? view : undefined
}

function labelOf(text: JsonView): string {
  return text.rawText.toString('utf8', 0, 64)
}
