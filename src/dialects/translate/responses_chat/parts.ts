// The content of messages and tool results of the Responses API, as chat writes it.
import type { ProviderTraits } from '../../../config/provider-types.ts'
import { type Encodable, JoinedText } from '../../../bytes/json/encode.ts'
import { JsonView } from '../../../bytes/json/view.ts'
import type { RequestNotes } from '../request-notes.ts'
import type { Members } from '../members.ts'

/** A piece of a string. */
export type TextPiece = JoinedText['parts'][number]

/** A part of a message: its text, or what is no text in chat's form. */
type Part = { readonly text: JsonView } | { readonly media: Encodable }

/** What a provider's server accepts in content. */
export type ContentTraits = Pick<ProviderTraits, 'hasTextParts' | 'hasFileParts' | 'hasToolImages'>

const textTypes: ReadonlySet<string> = new Set(['input_text', 'output_text', 'text'])
const textMembers: ReadonlySet<string> = new Set(['type', 'text', 'annotations', 'logprobs'])
const imageMembers: ReadonlySet<string> = new Set(['type', 'image_url', 'detail', 'file_id'])
const fileMembers: ReadonlySet<string> = new Set(['type', 'file_data', 'filename', 'file_id', 'file_url'])

/** The content of a message that a user or a developer has written. */
export function translateContent(
  content: JsonView | undefined,
  traits: ContentTraits,
  notes: RequestNotes,
): Encodable {
  const parts = readParts(content, traits, notes)
  return parts instanceof JsonView ? parts : joinedOrParts(parts, traits)
}

/** Several parts, or the only text. */
function joinedOrParts(parts: readonly Part[], { hasTextParts }: ContentTraits): Encodable {
  const texts = parts.filter((part) => 'text' in part).map(({ text }) => text)
  const hasMedia = texts.length < parts.length
  const [only] = texts
  if (!hasMedia && texts.length === 1) return only!
  if (!hasMedia && (!hasTextParts || texts.length === 0)) return joined(texts, '\n\n')
  return parts.map(asChatPart)
}

/** What an assistant has written: the pieces of its text, without separator. */
export function readAssistantText(content: JsonView | undefined, notes: RequestNotes): readonly TextPiece[] {
  if (content?.kind === 'string') return [content]
  if (content?.kind !== 'array') {
    notes.reject('input', 'A message of the assistant has no "content".')
    return []
  }
  const pieces: TextPiece[] = []
  for (const part of content.elements()) {
    const members = part.members()
    const type = members.get('type')?.text() ?? ''
    const text = type === 'refusal' ? members.get('refusal') : members.get('text')
    if (text?.kind === 'string' && (type === 'refusal' || textTypes.has(type))) pieces.push(text)
    else refuseType(type, notes)
  }
  return pieces
}

/** The result of a tool call. */
export interface ToolOutput {
  readonly content: Encodable
  /** What chat allows only in messages of users; empty if there is nothing. */
  readonly media: readonly Encodable[]
}

/** The output of a tool. */
export function translateOutput(
  output: JsonView | undefined,
  traits: ContentTraits,
  notes: RequestNotes,
): ToolOutput {
  // Some clients write an object where the format has a text.
  if (output?.kind === 'object') return { content: output.raw.toString(), media: [] }
  if (output === undefined || output.kind === 'null') return { content: '', media: [] }
  const parts = readParts(output, traits, notes)
  if (parts instanceof JsonView) return { content: parts, media: [] }
  const media = parts.filter((part) => 'media' in part).map((part) => part.media)
  if (traits.hasToolImages && media.length > 0) return { content: parts.map(asChatPart), media: [] }
  const texts = parts.filter((part) => 'text' in part).map(({ text }) => text)
  const [only] = texts
  return { content: texts.length === 1 ? only! : joined(texts, '\n'), media }
}

/** Several outputs of one call. */
export function joinedResults(results: readonly ToolOutput[]): ToolOutput {
  const media = results.flatMap((each) => each.media)
  if (results.some(({ content }) => Array.isArray(content))) {
    return { content: results.flatMap(({ content }) => asParts(content)), media }
  }
  return {
    content: joinedTexts(
      results.map(({ content }) => content),
      '\n',
    ),
    media,
  }
}

function asParts(content: Encodable): readonly Encodable[] {
  return Array.isArray(content) ? (content as readonly Encodable[]) : [{ type: 'text', text: content }]
}

/** The pieces of a content that is one text. */
function piecesOf(text: Encodable): readonly TextPiece[] {
  return text instanceof JoinedText ? text.parts : [text as TextPiece]
}

/** @param pieces each of them a text. */
export function joined(pieces: readonly TextPiece[], separator: string): JoinedText {
  return new JoinedText(pieces.flatMap((piece, at) => (at === 0 ? [piece] : [separator, piece])))
}

/** @param texts contents of which each is one text. */
export function joinedTexts(texts: readonly Encodable[], separator: string): JoinedText {
  return new JoinedText(
    texts.flatMap((text, at) => (at === 0 ? piecesOf(text) : [separator, ...piecesOf(text)])),
  )
}

/** A text as it is, or the parts of a list. */
function readParts(
  content: JsonView | undefined,
  traits: ContentTraits,
  notes: RequestNotes,
): JsonView | readonly Part[] {
  if (content?.kind === 'string') return content
  if (content?.kind !== 'array') {
    notes.reject('input', 'An item of "input" has no "content" or "output" that is a text or a list.')
    return []
  }
  return content.elements().flatMap((part) => readPart(part.members(), traits, notes) ?? [])
}

function readPart(members: Members, traits: ContentTraits, notes: RequestNotes): Part | undefined {
  const type = members.get('type')?.text() ?? ''
  if (textTypes.has(type)) {
    notes.dropUnknown(members, textMembers, 'content.')
    const text = members.get('text')
    if (text?.kind === 'string') return { text }
    notes.reject('input', `A part of type "${type}" has no "text".`)
    return undefined
  }
  switch (type) {
    case 'input_image':
      return readImage(members, notes)
    case 'input_file':
      return readFile(members, traits, notes)
    case 'input_audio': {
      const audio = members.get('input_audio')
      if (audio?.kind === 'object') return { media: { type, input_audio: audio } }
      notes.reject('input', 'A part of type "input_audio" has no "input_audio".')
      return undefined
    }
    default:
      refuseType(type, notes)
      return undefined
  }
}

function readImage(members: Members, notes: RequestNotes): Part | undefined {
  notes.dropUnknown(members, imageMembers, 'content.')
  const url = members.get('image_url')
  const detail = members.get('detail')
  if (url?.kind === 'string') {
    const level = detail?.kind === 'string' ? { detail } : {}
    return { media: { type: 'image_url', image_url: { url, ...level } } }
  }
  refuseFileId(members, 'image', notes)
  return undefined
}

function readFile(members: Members, { hasFileParts }: ContentTraits, notes: RequestNotes): Part | undefined {
  notes.dropUnknown(members, fileMembers, 'content.')
  const data = members.get('file_data')
  const filename = members.get('filename')
  if (data?.kind !== 'string') {
    if (members.has('file_url')) {
      notes.refuse(
        'input',
        'The provider does not load files from a URL: send "file_data" instead of "file_url".',
      )
    } else refuseFileId(members, 'file', notes)
  } else if (hasFileParts) {
    const name = filename?.kind === 'string' ? { filename } : {}
    return { media: { type: 'file', file: { ...name, file_data: data } } }
  } else notes.refuse('input', 'The provider accepts no files ("input_file").')
  return undefined
}

function refuseFileId(members: Members, what: string, notes: RequestNotes): void {
  const hasId = members.get('file_id')?.kind === 'string'
  if (hasId) {
    notes.refuse('input', `The provider has no stored files: send the ${what} itself instead of a "file_id".`)
  } else notes.reject('input', `A part of type "input_${what}" has no content.`)
}

function refuseType(type: string, notes: RequestNotes): void {
  if (type === '') notes.reject('input', 'A part of "content" has no "type".')
  else notes.refuse('input', `The provider accepts no content of type "${type.slice(0, 64)}".`)
}

function asChatPart(part: Part): Encodable {
  return 'text' in part ? { type: 'text', text: part.text } : part.media
}
