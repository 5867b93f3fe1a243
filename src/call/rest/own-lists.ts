// A list of the account's objects, reduced to those of one client. The others are not copied; the own ones stay as they are.
import { parseJson, isObject } from '../../bytes/json/parse.ts'
import { encodeJson } from '../../bytes/json/encode.ts'
import { scanJson } from '../../bytes/json/scan.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { type JsonView, viewJson } from '../../bytes/json/view.ts'
import type { ObjectOwners } from '../../routing/object-owners.ts'

export interface OwnList {
  readonly body: Buffer
  readonly isEmpty: boolean
  /** The id behind which the provider's list goes on; undefined at its end. */
  readonly nextAfter: string | undefined
}

const noNames = new MemberNames([])

/** @returns undefined if the body is no list in OpenAI's form. */
export async function ownListOf(
  body: Buffer,
  client: string,
  owners: Pick<ObjectOwners, 'ownersOf'>,
): Promise<OwnList | undefined> {
  if (!scanJson(body, noNames).ok) return undefined
  const members = viewJson(body).members()
  const data = members.get('data')
  if (data?.kind !== 'array') return undefined
  const all = data.elements()
  const ids = all.map(idOf)
  const found = await owners.ownersOf(ids.map((id) => id ?? ''))
  const isOwn = (index: number) => found[index]?.client === client
  const own = all.filter((_, index) => isOwn(index))
  const ownIds = ids.filter((_, index) => isOwn(index))
  const hasMore = members.get('has_more')?.kind === 'true'
  const nextAfter = hasMore ? ids.at(-1) : undefined
  if (own.length === all.length) return { body, isEmpty: own.length === 0, nextAfter }
  // The order of the members stays, and so does what is not known here.
  const reduced = Object.fromEntries(members) as Record<
    string,
    JsonView | readonly JsonView[] | string | null
  >
  reduced['data'] = own
  if (members.has('first_id')) reduced['first_id'] = ownIds[0] ?? null
  if (members.has('last_id')) reduced['last_id'] = ownIds.at(-1) ?? null
  return { body: Buffer.concat(encodeJson(reduced)), isEmpty: own.length === 0, nextAfter }
}

function idOf(element: JsonView): string | undefined {
  return element.members().get('id')?.text()
}

/** What a client sees that has no object of a kind. */
export const emptyList = Buffer.from(
  '{"object":"list","data":[],"first_id":null,"last_id":null,"has_more":false}',
)

/** The query of the provider's next page, as large as pages may be. */
export function queryAfter(query: string, id: string): string {
  const parameters = query.slice(1).split('&')
  const kept = parameters.filter((each) => each !== '' && !/^(?:after|before|limit)=/.test(each))
  return `?${[...kept, `after=${encodeURIComponent(id)}`, 'limit=100'].join('&')}`
}

/** Whether a page goes on backwards, where nothing more can be asked for. */
export function goesBackwards(query: string): boolean {
  return /[?&]before=/.test(query)
}

/** A response's body as JSON; undefined if it is none. */
export function jsonOf(body: Buffer): unknown {
  const value = parseJson(body)
  return isObject(value) ? value : undefined
}
