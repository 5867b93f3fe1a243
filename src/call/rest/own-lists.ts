// A list of the account's objects, reduced to those of one client.
import { readObjectList } from '../../dialects/openai/object-list.ts'
import type { ObjectOwners } from '../../routing/object-owners.ts'

export interface OwnList {
  readonly body: Buffer
  readonly isEmpty: boolean
  /** The id behind which the provider's list goes on; undefined at its end. */
  readonly nextAfter: string | undefined
}

/** @returns undefined if the body is no list in OpenAI's form. */
export async function ownListOf(
  body: Buffer,
  client: string,
  owners: Pick<ObjectOwners, 'ownersOf'>,
): Promise<OwnList | undefined> {
  const list = readObjectList(body)
  if (list === undefined) return undefined
  const found = await owners.ownersOf(list.ids)
  const isOwn = (index: number) => found[index]?.client === client
  return {
    body: list.reducedTo(isOwn),
    isEmpty: !list.ids.some((_, index) => isOwn(index)),
    nextAfter: list.nextAfter,
  }
}
