/**
 * A day at the clinic, through openapi-fetch and the types that openapi-typescript generates from the API's document.
 *
 *     npm install
 *     npx openapi-typescript http://127.0.0.1:8000/api/schema --output schema.d.ts
 *     npx tsc && node built/day.js http://127.0.0.1:8000 <email> <password> <picture>
 *
 * The caller is an administrator of one clinic; Grace Hopper has a record already, and the first template begins with a text.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import createClient, { type Client } from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Api = Client<paths>;
type RecordDetail = components["schemas"]["RecordDetail"];

/** Returns the body of a response; throws the problem if it is one. */
async function body<Data>(request: Promise<{ data?: Data; error?: unknown }>): Promise<Data> {
  const { data, error } = await request;
  assert(data !== undefined, JSON.stringify(error));
  return data;
}

async function loggedIn(server: string, email: string, password: string): Promise<Api> {
  const api = createClient<paths>({ baseUrl: server });
  const login = await body(api.POST("/api/auth/login", { body: { email, password } }));
  return createClient<paths>({ baseUrl: server, headers: { Authorization: `Bearer ${login.token}` } });
}

/** Adds a number with its unit and limits to the first template; the others are sent as they were read. */
async function addQuestion(api: Api): Promise<void> {
  const { results } = await body(api.GET("/api/clinic/medical-record-templates"));
  const { id, version, name, fields } = results[0]!;
  const asked = [...fields, { label: "Weight", type: "number" as const, unit: "kg", min: 0.5, max: 300 }];
  const params = { path: { id }, header: { "If-Match": `"${version}"` } };
  const changed = await body(
    api.PUT("/api/clinic/medical-record-templates/{id}", { params, body: { name, fields: asked } }),
  );
  const weight = changed.fields.at(-1)!;
  assert(weight.type === "number");
  const limits: [number?, number?] = [weight.min ?? undefined, weight.max ?? undefined];
  assert.deepEqual([weight.unit, ...limits], ["kg", 0.5, 300]);
}

/** Creates a record, and sends the request again, as after a timeout: the record is there once. */
async function fillIn(api: Api, patientId: number): Promise<RecordDetail> {
  const templates = await body(api.GET("/api/clinic/medical-record-templates"));
  const template = templates.results[0]!;
  const key = randomUUID();
  const create = () =>
    api.POST("/api/clinic/patients/{patient_id}/medical-records", {
      params: { path: { patient_id: patientId }, header: { "Idempotency-Key": key } },
      body: { template_id: template.id, values: { [template.fields[0]!.id]: "Headache" } },
    });
  const record = await body(create());
  const again = await body(create());
  assert.equal(again.id, record.id);
  return record;
}

/** Changes the record; then again from the version that was seen before, which is refused with the record as it is now. */
async function change(api: Api, seen: RecordDetail): Promise<RecordDetail> {
  const field = seen.template_snapshot.fields[0]!;
  const path = { id: seen.id };
  const better = { values: { [field.id]: "Better" } };
  const worse = { values: { [field.id]: "Worse" } };
  const header = { "If-Match": `"${seen.version}"` };
  const changed = await body(api.PATCH("/api/clinic/medical-records/{id}", { params: { path, header }, body: better }));

  const late = await api.PATCH("/api/clinic/medical-records/{id}", { params: { path, header }, body: worse });
  assert.equal(late.response.status, 412);
  assert(late.error && "current" in late.error);
  assert.equal(late.error.current.values[field.id], "Better");

  const inBody = { ...worse, version: seen.version }; // instead of the header
  const later = await api.PATCH("/api/clinic/medical-records/{id}", { params: { path }, body: inBody });
  assert.equal(later.response.status, 409);
  assert(later.error && "current" in later.error);
  assert.equal(later.error.current.version, changed.version);
  return changed;
}

/** Uploads a picture, and returns the version that the record has with it. */
async function addPhoto(api: Api, record: RecordDetail, picture: string): Promise<number> {
  const form = new FormData();
  form.set("patient_id", String(record.patient_id));
  form.set("description", "Left knee");
  form.set("file", new Blob([await readFile(picture)]), "knee.jpg");
  const photo = await body(
    api.POST("/api/clinic/patient-photos", {
      body: { patient_id: record.patient_id, file: "" }, // typed as a text: the form is what is sent
      bodySerializer: () => form,
    }),
  );
  const attached = await body(
    api.POST("/api/clinic/patient-photos/attach", {
      body: { record_id: record.id, photo_ids: [photo.id], version: record.version },
    }),
  );
  const file = await body(
    api.GET("/api/clinic/patient-photos/{id}/file", { params: { path: { id: photo.id } }, parseAs: "arrayBuffer" }),
  );
  assert.deepEqual([...new Uint8Array(file).subarray(0, 2)], [0xff, 0xd8]); // a JPEG
  return attached.version;
}

/** Reads the record twice; the second time, the server says that nothing has changed. */
async function readAgain(api: Api, id: number): Promise<RecordDetail> {
  const first = await api.GET("/api/clinic/medical-records/{id}", { params: { path: { id } } });
  const header = { "If-None-Match": first.response.headers.get("ETag")! };
  const second = await api.GET("/api/clinic/medical-records/{id}", { params: { path: { id }, header } });
  assert.equal(second.response.status, 304);
  return first.data!;
}

/** Returns the ids of all of a patient's records, read in pages of one. */
async function readAll(api: Api, patientId: number): Promise<number[]> {
  const ids: number[] = [];
  let cursor: string | undefined;
  do {
    const page = await body(
      api.GET("/api/clinic/patients/{patient_id}/medical-records", {
        params: { path: { patient_id: patientId }, query: { page_size: 1, cursor } },
      }),
    );
    ids.push(...page.results.map((record) => record.id));
    cursor = page.next ? new URL(page.next).searchParams.get("cursor")! : undefined;
  } while (cursor);
  return ids;
}

/** Puts the record into the trash and takes it out again: two changes, each of which raises the version. */
async function deleteAndRestore(api: Api, { id, version }: RecordDetail): Promise<RecordDetail> {
  const at = (version: number) => ({ params: { path: { id }, header: { "If-Match": `"${version}"` } } });
  const deleted = await api.DELETE("/api/clinic/medical-records/{id}", at(version));
  assert.equal(deleted.response.status, 204);
  return body(api.POST("/api/clinic/medical-records/{id}/restore", at(version + 1)));
}

/** Reads who changed the record and what, and the record as it was before that. */
async function readHistory(api: Api, id: number): Promise<void> {
  const { results } = await body(api.GET("/api/clinic/medical-records/{id}/history", { params: { path: { id } } }));
  assert.deepEqual(results.map((entry) => entry.version), [5, 4, 3, 2, 1]);
  const changed = results.findLast((entry) => entry.action === "changed")!;
  const me = await body(api.GET("/api/auth/me"));
  assert.deepEqual(changed.by, { id: me.user.id, name: me.memberships[0]!.full_name });
  assert.deepEqual(changed.changes.map(({ before, after }) => [before, after]), [["Headache", "Better"]]);
  const path = { id, sequence: changed.sequence - 1 };
  const past = await body(api.GET("/api/clinic/medical-records/{id}/history/{sequence}", { params: { path } }));
  assert.equal(past.values[past.template_snapshot.fields[0]!.id], "Headache");
}

/** Signs the record; then changes it, which is refused without a reason, and makes a new version with one. */
async function signAndAmend(api: Api, { id, version, values }: RecordDetail): Promise<void> {
  const params = { path: { id } };
  const signed = await body(api.POST("/api/clinic/medical-records/{id}/sign", { params, body: { version } }));
  const me = await body(api.GET("/api/auth/me"));
  assert.deepEqual(signed.signed_by, { id: me.user.id, name: me.memberships[0]!.full_name });
  const correction = { values, version: signed.version };
  const refused = await api.PATCH("/api/clinic/medical-records/{id}", { params, body: correction });
  assert.equal(refused.response.status, 409);
  const reason = "The left knee, not the right one";
  const amended = await body(
    api.PATCH("/api/clinic/medical-records/{id}", { params, body: { ...correction, amendment_reason: reason } }),
  );
  assert.deepEqual([amended.signed_at, amended.amendment_reason], [null, reason]);
}

/** Fetches what the patient is owed: a copy of everything. */
async function exportPatient(api: Api, patientId: number): Promise<void> {
  const params = { path: { patient_id: patientId } };
  const copy = await body(api.GET("/api/clinic/patients/{patient_id}/export", { params, parseAs: "arrayBuffer" }));
  assert.deepEqual([...new Uint8Array(copy).subarray(0, 2)], [0x50, 0x4b]); // a zip
}

async function work(server: string, email: string, password: string, picture: string): Promise<void> {
  const api = await loggedIn(server, email, password);
  const found = await body(api.GET("/api/clinic/patients", { params: { query: { search: "hopper" } } }));
  const patientId = found.results[0]!.id;
  await addQuestion(api);
  const changed = await change(api, await fillIn(api, patientId));
  const version = await addPhoto(api, changed, picture);
  const record = await readAgain(api, changed.id);
  assert.equal(record.version, version);
  assert.equal((await readAll(api, patientId))[0], record.id);
  const timeline = await body(
    api.GET("/api/clinic/patients/{patient_id}/timeline", { params: { path: { patient_id: patientId } } }),
  );
  assert.deepEqual(timeline.results.slice(0, 2).map((entry) => entry.type), ["photo", "record"]);
  const restored = await deleteAndRestore(api, record);
  assert.deepEqual(restored.photos.map((photo) => photo.description), ["Left knee"]);
  await readHistory(api, record.id);
  await signAndAmend(api, restored);
  await exportPatient(api, patientId);
  await api.POST("/api/auth/logout");
  assert.equal((await api.GET("/api/auth/me")).response.status, 401);
}

const [server, email, password, picture] = process.argv.slice(2);
await work(server!, email!, password!, picture!);
