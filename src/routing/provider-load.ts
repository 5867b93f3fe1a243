/** Calls under way at each provider, for choosing the least busy one. */
export class ProviderLoad {
  readonly #calls = new Map<string, number>()

  of(provider: string): number {
    return this.#calls.get(provider) ?? 0
  }

  /** One more; the returned function takes it away again, once. */
  began(provider: string): () => void {
    this.#calls.set(provider, this.of(provider) + 1)
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      this.#calls.set(provider, this.of(provider) - 1)
    }
  }
}
