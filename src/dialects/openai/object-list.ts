// A list of the account's objects in OpenAI's form, and the way from one of its pages to the next.
// https://platform.openai.com/docs/api-reference/files/list
import { type Encodable, encodeWhole } from '../../bytes/json/encode.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { scanJson } from '../../bytes/json/scan.ts'
import { type JsonView, viewJson } from '../../bytes/json/view.ts'

/** One page of a list. */
export interface ObjectList {
  /** Of its objects, in their order; empty for an object without one. */
  readonly ids: readonly string[]
  /** The id behind which the provider's list goes on; undefined at its end. */
  readonly nextAfter: string | undefined
  /** The list with some of its objects. They stay as they are, and so does what is not known here; the others are not copied. */
  readonly reducedTo: (isKept: (index: number) => boolean) => Buffer
}

const noNames = new MemberNames([])

/** @returns undefined if the body is no list in this form. */
export function readObjectList(body: Buffer): ObjectList | undefined {
  if (!scanJson(body, noNames).ok) return undefined
  const members = viewJson(body).members()
  const data = members.get('data')
  if (data?.kind !== 'array') return undefined
  const objects = data.elements()
  const ids = objects.map((object) => object.members().get('id')?.text() ?? '')
  const hasMore = members.get('has_more')?.kind === 'true'
  const lastId = ids.at(-1)
  return {
    ids,
    nextAfter: hasMore && lastId !== '' ? lastId : undefined,
    reducedTo(isKept) {
      const kept = objects.filter((_, index) => isKept(index))
      if (kept.length === objects.length) return body
      const keptIds = ids.filter((id, index) => id !== '' && isKept(index))
      return encodeWhole(reduced(members, kept, keptIds))
    },
  }
}

/** With the order of the members. */
function reduced(
  members: ReadonlyMap<string, JsonView>,
  data: readonly JsonView[],
  ids: readonly string[],
): Encodable {
  const list = Object.fromEntries<Encodable>(members)
  list['data'] = data
  if (members.has('first_id')) list['first_id'] = ids[0] ?? null
  if (members.has('last_id')) list['last_id'] = ids.at(-1) ?? null
  return list
}

/** The list that a client without objects of a kind receives. */
export const emptyList = Buffer.from(
  '{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}',
)

/** The query of the provider's next page, as large as pages may be. */
export function queryAfter(query: string, id: string): string {
  const parameters = query.slice(1).split('&')
  const kept = parameters.filter((each) => each !== '' && !/^(?:after|before|limit)=/.test(each))
  return `?${[...kept, `after=${encodeURIComponent(id)}`, 'limit=100'].join('&')}`
}

/** Whether a query asks for the page before another one, behind which the list does not go on. */
export function goesBackwards(query: string): boolean {
  return /[?&]before=/.test(query)
}
