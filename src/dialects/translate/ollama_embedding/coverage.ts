// What the translations of Ollama's API for embeddings to OpenAI's carry; tests compare it with what the translators do.
import type { Coverage } from '../../coverage.ts'

const shared: Coverage['request'] = {
  options: ['dropped'],
  keep_alive: ['dropped'],
}

export const embedCoverage: Coverage = {
  request: {
    model: ['exact'],
    input: ['exact'],
    dimensions: ['exact'],
    truncate: ['dropped', 'the provider decides what becomes of an input that is too long'],
    ...shared,
  },
  response: {
    model: ['approximated', 'the name that the client asked for'],
    'data.embedding': ['exact', 'the numbers as they were written, in the order of the input'],
    usage: ['exact', 'as `prompt_eval_count`; absent where the provider reports none'],
    error: ['exact', 'the message as it is'],
    id: ['dropped'],
  },
}

export const embeddingsCoverage: Coverage = {
  request: {
    model: ['exact'],
    prompt: ['exact', 'as `input`'],
    ...shared,
  },
  response: {
    'data.embedding': ['exact', 'the numbers as they were written'],
    error: ['exact', 'the message as it is'],
    model: ['dropped'],
    usage: ['dropped', 'the format has no place for it'],
    id: ['dropped'],
  },
}
