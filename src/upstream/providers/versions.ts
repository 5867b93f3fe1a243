// Where kinds of servers report their version, without loading a model.
import type { HttpProvider } from '../../config/provider-types.ts'
import { membersOf, parseJson } from '../../bytes/json/parse.ts'

/** Below the server's root; absent where a kind stands for different programs. */
export const versionPaths: Partial<Record<HttpProvider['kind'], string>> = {
  llama_cpp: '//props',
  ollama: '//api/version',
  vllm: '//version',
}

/** At most 64 characters; undefined if the body names none. */
export function readVersion(body: Buffer): string | undefined {
  // `build_info` is llama.cpp's.
  const { version, build_info: build } = membersOf(parseJson(body))
  const text = version ?? build
  return typeof text === 'string' && text.length <= 64 ? text : undefined
}
