// Calls under way at each provider, for choosing the least busy one.

export class ProviderLoad {
  readonly #calls = new Map<string, number>()

  of(provider: string): number {
    return this.#calls.get(provider) ?? 0
  }

  add(provider: string): void {
    this.#calls.set(provider, this.of(provider) + 1)
  }

  remove(provider: string): void {
    this.#calls.set(provider, this.of(provider) - 1)
  }
}
