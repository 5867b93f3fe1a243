/** Adds a list to another of any length: the arguments of a call lie on the stack, which some hundred thousand overflow. */
export function append<Item>(list: Item[], items: readonly Item[]): void {
  for (const item of items) list.push(item)
}
