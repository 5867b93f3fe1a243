// What the translation of Responses to chat carries; test/dialects/translate/coverage.test.ts compares it with the code.
import type { Coverage } from '../../coverage.ts'

export const coverage: Coverage = {
  request: {
    model: ['exact'],
  },
  response: {},
}
