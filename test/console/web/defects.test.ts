import { expect, test } from 'vitest';
import { DEFECT_SENTENCES, defectSentences, defectWarnings } from '../../../console/web/defects.ts';
import { DEFECT_CODES } from '../../../shared/mime/parsed-email.ts';

test('every defect that the parser can note has a sentence', () => {
  const codes = [...DEFECT_CODES, 'not_storable_as_read'].sort();
  expect(Object.keys(DEFECT_SENTENCES).sort()).toEqual(codes);
});

test('defects that cost nothing are named in the email and do not warn in the list', () => {
  const defects = ['date_missing', 'leading_lines', 'linked_files'];
  expect(defectWarnings(defects)).toEqual([DEFECT_SENTENCES['linked_files']]);
  expect(defectSentences(defects)).toHaveLength(3);
  expect(defectSentences(['unheard_of'])).toEqual(['The email has the defect unheard_of.']);
});
