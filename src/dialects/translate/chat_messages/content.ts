// The content of chat messages as Anthropic's blocks. https://docs.claude.com/en/api/messages
import { type Encodable, JoinedText } from '../../../bytes/json/encode.ts'
import type { JsonView } from '../../../bytes/json/view.ts'
import { messagesImageTypes, readDataUrl } from '../content.ts'
import type { RequestNotes } from '../request-notes.ts'
import type { Members } from '../members.ts'

/** A block of Anthropic's content. */
export type Block = Readonly<Record<string, Encodable | undefined>>

/** What a message's content may consist of. */
type PartKind = 'text' | 'any'

/**
 * Blocks of a string or of a list of parts. Anthropic refuses blank texts, so they become nothing.
 * @param kind what the role allows.
 */
export function blocksOf(content: JsonView | undefined, kind: PartKind, notes: RequestNotes): Block[] {
  if (content === undefined || content.kind === 'null') return []
  if (content.kind === 'string') return isBlank(content) ? [] : [{ type: 'text', text: content }]
  if (content.kind !== 'array') {
    notes.reject('messages.content', 'The content of a message must be a string or a list of parts.')
    return []
  }
  return content
    .elements()
    .map((part) => blockOf(part, kind, notes))
    .filter((block) => block !== undefined)
}

const partMembers: ReadonlySet<string> = new Set([
  'cache_control',
  'file',
  'image_url',
  'refusal',
  'text',
  'type',
])

function blockOf(part: JsonView, kind: PartKind, notes: RequestNotes): Block | undefined {
  const members = part.members()
  notes.dropUnknown(members, partMembers, 'messages.content.')
  const type = textOf(members.get('type'))
  if (type === 'text' || type === 'refusal') return textBlock(members, type, notes)
  const block = kind === 'any' ? mediaBlock(members, type, notes) : unknownPart(type, notes)
  return block && withCacheControl(block, members)
}

function textBlock(members: Members, name: 'text' | 'refusal', notes: RequestNotes): Block | undefined {
  const text = members.get(name)
  if (text?.kind !== 'string') {
    notes.reject('messages.content', `A part of type "${name}" must have a string "${name}".`)
    return undefined
  }
  return isBlank(text) ? undefined : withCacheControl({ type: 'text', text }, members)
}

/** Clients that know of Anthropic's cache mark parts, as at OpenRouter. */
function withCacheControl(block: Block, members: Members): Block {
  const mark = members.get('cache_control')
  return mark?.kind === 'object' ? { ...block, cache_control: mark } : block
}

/**
 * Some clients mark a message in place of its parts (opencode, for one): the mark is then on its last block. Anthropic
 * refuses marks on reasoning. https://docs.claude.com/en/docs/build-with-claude/prompt-caching
 */
export function withMarkOf(message: Members, blocks: readonly Block[]): readonly Block[] {
  const last = blocks.at(-1)
  if (last === undefined || last['cache_control'] !== undefined || isReasoning(last)) return blocks
  return [...blocks.slice(0, -1), withCacheControl(last, message)]
}

export function isReasoning({ type }: Block): boolean {
  return type === 'thinking' || type === 'redacted_thinking'
}

function mediaBlock(members: Members, type: string | undefined, notes: RequestNotes): Block | undefined {
  if (type === 'image_url') return imageBlock(members.get('image_url'), notes)
  if (type === 'file') return fileBlock(members.get('file'), notes)
  return unknownPart(type, notes)
}

function unknownPart(type: string | undefined, notes: RequestNotes): undefined {
  const param = `messages.content.${type ?? 'type'}`
  notes.refuse(param, `The provider does not accept a part of type "${type ?? ''}" there.`)
}

const imageParam = 'messages.content.image_url'

function imageBlock(image: JsonView | undefined, notes: RequestNotes): Block | undefined {
  const members = image?.members()
  // Some clients write the URL in place of the object.
  const url = image?.kind === 'string' ? image : members?.get('url')
  if (url?.kind !== 'string') {
    notes.reject(imageParam, 'A part of type "image_url" must have an "image_url" with a "url".')
    return undefined
  }
  const detail = textOf(members?.get('detail'))
  if (detail !== undefined && detail !== 'auto') notes.drop(`${imageParam}.detail`)
  const source = dataSource(url)
  if (source?.mediaType === pdf) return { type: 'document', source: base64Source(source) }
  if (source !== undefined && messagesImageTypes.has(source.mediaType)) {
    return { type: 'image', source: base64Source(source) }
  }
  if (isWebUrl(url)) return { type: 'image', source: { type: 'url', url } }
  const message =
    'The provider accepts images as https URLs, or as base64 data URLs of JPEG, PNG, GIF or WebP.'
  notes.refuse(imageParam, message)
  return undefined
}

const pdf = 'application/pdf'
const fileParam = 'messages.content.file'

function fileBlock(file: JsonView | undefined, notes: RequestNotes): Block | undefined {
  const members = file?.members()
  const data = members?.get('file_data')
  const source = data?.kind === 'string' ? dataSource(data) : undefined
  if (source?.mediaType !== pdf) {
    const isId = members?.has('file_id') === true && data === undefined
    const seen = isId ? 'does not know the ids of uploaded files' : 'accepts no other files than PDF'
    notes.refuse(fileParam, `The provider ${seen}: send the PDF as a base64 data URL in "file_data".`)
    return undefined
  }
  const title = members?.get('filename')
  const hasTitle = title?.kind === 'string' && !isBlank(title)
  return { type: 'document', source: base64Source(source), title: hasTitle ? title : undefined }
}

interface DataSource {
  readonly mediaType: string
  readonly data: Buffer
}

function dataSource(url: JsonView): DataSource | undefined {
  const source = readDataUrl(url)
  if (source?.isBase64 !== true) return undefined
  const { mediaType, data } = source
  return { mediaType: mediaType === 'image/jpg' ? 'image/jpeg' : mediaType, data }
}

function base64Source({ mediaType, data }: DataSource): Block {
  return { type: 'base64', media_type: mediaType, data: new JoinedText(data) }
}

function isWebUrl(url: JsonView): boolean {
  return /^https?:/i.test(url.rawText.toString('latin1', 0, 'https:'.length))
}

/** The decoded text of a string that is short: a role, an id, a name. */
export function textOf(view: JsonView | undefined): string | undefined {
  return view?.text()
}

const SPACE = 0x20
const BACKSLASH = 0x5c
/** The letters of escapes that stand for blanks: `\n`, `\t`, `\r`, `\f`. */
const blankEscapes: ReadonlySet<number | undefined> = new Set([0x6e, 0x74, 0x72, 0x66])

/** Whether a string is empty or has nothing but blanks. */
export function isBlank(text: JsonView): boolean {
  const bytes = text.rawText
  for (let at = 0; at < bytes.length; at += 1) {
    if (bytes[at] === SPACE) continue
    if (bytes[at] !== BACKSLASH || !blankEscapes.has(bytes[at + 1])) return false
    at += 1
  }
  return true
}
