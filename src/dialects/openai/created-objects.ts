// The objects of the account that a response of OpenAI's API reports as created.
// https://platform.openai.com/docs/api-reference
import { isObject, type JsonObject, membersOf, parseJson } from '../../bytes/json/parse.ts'
import { MemberNames } from '../../bytes/json/member-names.ts'
import { readString, scanJson } from '../../bytes/json/scan.ts'
import { eventData } from '../../bytes/sse.ts'
import type { ApiRoute } from './api-routes.ts'

export interface CreatedObject {
  readonly id: string
  /** As in the table of routes: `file`, `response`. */
  readonly kind: string
}

/** Members with the ids of objects that the provider has made for the object of the response, and their kind. */
const madeMembers: Readonly<Record<string, string>> = {
  error_file_id: 'file',
  output_file_id: 'file',
  result_files: 'file',
}

/** @param value of a response, or of an event of one. A list shows objects of everybody, so it shows none as created. */
export function createdObjectsIn(
  value: unknown,
  { creates, createdAt, lists }: Pick<ApiRoute, 'creates' | 'createdAt' | 'lists'>,
): CreatedObject[] {
  if (!isObject(value) || lists !== undefined) return []
  const objects: CreatedObject[] = []
  const created = createdIdIn(value, createdAt)
  if (creates !== undefined && typeof created === 'string') objects.push({ id: created, kind: creates })
  for (const [member, kind] of Object.entries(madeMembers)) {
    const made = value[member]
    for (const id of Array.isArray(made) ? made : [made]) {
      if (typeof id === 'string') objects.push({ id, kind })
    }
  }
  return objects
}

function createdIdIn(value: JsonObject, createdAt: ApiRoute['createdAt']): unknown {
  return createdAt === 'file.id' ? membersOf(value['file'])['id'] : value[createdAt ?? 'id']
}

const idMember = new MemberNames(['id'])

/** The id of a whole response of a model; undefined if it has none. @param value of the body, if it was parsed already. */
export function responseIdIn(body: Buffer, value: unknown): unknown {
  if (value !== undefined) return membersOf(value)['id']
  const outcome = scanJson(body, idMember)
  const id = outcome.ok ? outcome.scan.members.get('id') : undefined
  return id && readString(body, id)
}

/** The id that an event of a model's stream has: in the response that it repeats, or beside its own members. */
export function responseIdInEvent(event: Buffer): unknown {
  const data = eventData(event)
  const { response, id } = membersOf(data === undefined ? undefined : parseJson(data))
  return membersOf(response)['id'] ?? id
}
