// The model that a request of the API names without being a model call: counting tokens of input, for example.
import { MemberNames } from '../../bytes/json/member-names.ts'
import { readString, scanJson } from '../../bytes/json/scan.ts'
import { readField, scanMultipart } from '../../bytes/multipart.ts'
import { essenceOf, soleParameter } from '../../http/media-type.ts'

/** `unreadable`: what the body names can't be known. Undefined: it names none. */
export type NamedModel = { readonly name: string } | 'unreadable' | undefined

const wanted = new MemberNames(['model'])
const wantedFields: ReadonlySet<string> = new Set(['model'])

export function namedModelIn(body: Buffer, contentType: string | undefined): NamedModel {
  if (body.length === 0) return undefined
  if (essenceOf(contentType) === 'multipart/form-data') return modelInForm(body, contentType)
  const outcome = scanJson(body, wanted)
  if (!outcome.ok) return 'unreadable'
  const member = outcome.scan.members.get('model')
  if (member === undefined) return undefined
  const name = readString(body, member)
  return name === undefined ? 'unreadable' : { name }
}

function modelInForm(body: Buffer, contentType = ''): NamedModel {
  const outcome = scanMultipart(body, soleParameter(contentType, 'boundary') ?? '', wantedFields)
  if (!outcome.ok) return 'unreadable'
  const field = outcome.scan.fields.get('model')
  if (field === undefined) return undefined
  const name = readField(body, field)
  return name === undefined ? 'unreadable' : { name }
}
