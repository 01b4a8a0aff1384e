-- A clinic's database as SQLAlchemy models and their Alembic revisions leave one, after some years: keys from serial,
-- foreign keys named by PostgreSQL or by hand and never deferrable, an ix_ index for every index=True, server defaults
-- where somebody thought of them, booleans that may be NULL, and much that no model of ours knows.

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version (version_num) VALUES ('202602010000');

CREATE TYPE clinicplan AS ENUM ('trial', 'basic', 'pro');

CREATE TABLE users (
    id SERIAL NOT NULL,
    email VARCHAR(255) NOT NULL,
    google_subject_id VARCHAR(255),
    display_name VARCHAR(255),
    locale VARCHAR(10) DEFAULT 'zh-TW',
    signup_token VARCHAR(64),
    is_active BOOLEAN DEFAULT true,
    preferences JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    PRIMARY KEY (id),
    UNIQUE (google_subject_id)
);
CREATE UNIQUE INDEX ix_users_email ON users (email);
CREATE INDEX ix_users_id ON users (id);

CREATE TABLE clinics (
    id SERIAL NOT NULL,
    name VARCHAR(255) NOT NULL,
    line_channel_id VARCHAR(255),
    line_channel_secret VARCHAR(255),
    plan clinicplan DEFAULT 'trial'::clinicplan NOT NULL,
    stripe_customer_id VARCHAR(255),
    timezone VARCHAR(64) DEFAULT 'Asia/Taipei' NOT NULL,
    settings JSONB DEFAULT '{}' NOT NULL,
    reminder_hours_before INTEGER DEFAULT 24,
    trial_ends_at TIMESTAMP WITH TIME ZONE,
    last_webhook_at TIMESTAMP WITH TIME ZONE,
    webhook_count_24h INTEGER DEFAULT 0 NOT NULL,
    display_address TEXT,
    display_phone VARCHAR(50),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT clinics_pkey PRIMARY KEY (id),
    UNIQUE (line_channel_id)
);
CREATE INDEX ix_clinics_id ON clinics (id);

CREATE TABLE user_clinic_associations (
    id SERIAL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    clinic_id INTEGER NOT NULL REFERENCES clinics (id) ON DELETE CASCADE,
    roles JSONB DEFAULT '[]'::jsonb NOT NULL,
    full_name VARCHAR(255) NOT NULL,
    settings JSONB,
    is_active BOOLEAN DEFAULT true,
    last_accessed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    CONSTRAINT uq_user_clinic UNIQUE (user_id, clinic_id)
);
CREATE INDEX idx_user_clinic_associations_user ON user_clinic_associations (user_id);
CREATE INDEX idx_user_clinic_associations_active ON user_clinic_associations (clinic_id) WHERE is_active;

CREATE TABLE line_users (
    id SERIAL PRIMARY KEY,
    clinic_id INTEGER NOT NULL REFERENCES clinics (id),
    line_user_id VARCHAR(255) NOT NULL,
    display_name VARCHAR(255),
    CONSTRAINT uq_line_users_clinic UNIQUE (clinic_id, line_user_id)
);

CREATE TABLE patients (
    id SERIAL PRIMARY KEY,
    clinic_id INTEGER NOT NULL REFERENCES clinics (id),
    line_user_id INTEGER CONSTRAINT fk_patients_line_user REFERENCES line_users (id),
    full_name VARCHAR(255) NOT NULL,
    phone_number VARCHAR(50),
    birthday DATE,
    gender VARCHAR(20),
    notes TEXT,
    custom_notes_visible BOOLEAN,
    assigned_practitioner_id INTEGER REFERENCES users (id) ON DELETE SET NULL,
    created_by_type VARCHAR(20) DEFAULT 'line_user' NOT NULL,
    is_deleted BOOLEAN DEFAULT false,
    deleted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    search_text TEXT GENERATED ALWAYS AS (lower(full_name)) STORED
);
CREATE INDEX ix_patients_clinic_id ON patients (clinic_id);
CREATE INDEX idx_patients_clinic_phone ON patients (clinic_id, phone_number);

CREATE TABLE calendar_events (
    id SERIAL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES users (id),
    clinic_id INTEGER NOT NULL REFERENCES clinics (id),
    event_type VARCHAR(50) NOT NULL,
    date DATE NOT NULL,
    start_time TIME WITHOUT TIME ZONE,
    end_time TIME WITHOUT TIME ZONE,
    custom_event_name VARCHAR(255),
    gcal_event_id VARCHAR(255),
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now(),
    CONSTRAINT check_valid_event_type CHECK (event_type IN ('appointment', 'availability_exception')),
    CONSTRAINT check_valid_time_range CHECK (start_time IS NULL OR end_time IS NULL OR start_time < end_time)
);
CREATE INDEX ix_calendar_events_date_type ON calendar_events (clinic_id, date, event_type);
CREATE INDEX idx_calendar_events_user_date ON calendar_events (user_id, date);

CREATE TABLE appointment_types (
    id SERIAL PRIMARY KEY,
    clinic_id INTEGER NOT NULL REFERENCES clinics (id),
    name VARCHAR(255) NOT NULL,
    duration_minutes INTEGER NOT NULL
);

CREATE TABLE appointments (
    calendar_event_id INTEGER NOT NULL,
    patient_id INTEGER NOT NULL,
    appointment_type_id INTEGER,
    status VARCHAR(50) NOT NULL,
    notes VARCHAR(500),
    clinic_notes TEXT,
    is_auto_assigned BOOLEAN DEFAULT false NOT NULL,
    reminder_sent_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT appointments_pkey PRIMARY KEY (calendar_event_id),
    CONSTRAINT fk_appointments_calendar_event FOREIGN KEY (calendar_event_id) REFERENCES calendar_events (id) ON DELETE CASCADE,
    CONSTRAINT appointments_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES patients (id),
    CONSTRAINT appointments_type_fkey FOREIGN KEY (appointment_type_id) REFERENCES appointment_types (id),
    CONSTRAINT check_valid_status CHECK (status IN ('confirmed', 'canceled_by_patient', 'canceled_by_clinic'))
);
CREATE INDEX ix_appointments_patient_id ON appointments (patient_id);

CREATE TABLE medical_record_templates (
    id SERIAL NOT NULL,
    clinic_id INTEGER NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT,
    fields JSONB NOT NULL,
    version INTEGER NOT NULL,
    is_deleted BOOLEAN DEFAULT 'false',
    deleted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT 'now()' NOT NULL,
    created_by_user_id INTEGER,
    updated_at TIMESTAMP WITH TIME ZONE,
    updated_by_user_id INTEGER,
    PRIMARY KEY (id),
    FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    FOREIGN KEY (created_by_user_id) REFERENCES users (id),
    CONSTRAINT fk_templates_updated_by FOREIGN KEY (updated_by_user_id) REFERENCES users (id) ON DELETE SET NULL
);
CREATE INDEX ix_medical_record_templates_id ON medical_record_templates (id);
CREATE INDEX ix_medical_record_templates_clinic_id ON medical_record_templates (clinic_id);
CREATE INDEX idx_medical_record_templates_deleted ON medical_record_templates (clinic_id, is_deleted);

CREATE TABLE medical_records (
    id SERIAL NOT NULL,
    clinic_id INTEGER NOT NULL,
    patient_id INTEGER NOT NULL,
    template_id INTEGER NOT NULL,
    template_name VARCHAR(255) NOT NULL,
    appointment_id INTEGER,
    template_snapshot JSONB NOT NULL,
    values JSONB NOT NULL,
    version INTEGER DEFAULT '1' NOT NULL,
    is_deleted BOOLEAN,
    deleted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    created_by_user_id INTEGER,
    updated_by_user_id INTEGER,
    CONSTRAINT medical_records_pkey PRIMARY KEY (id),
    CONSTRAINT medical_records_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT medical_records_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES patients (id),
    CONSTRAINT medical_records_template_id_fkey FOREIGN KEY (template_id) REFERENCES medical_record_templates (id),
    CONSTRAINT medical_records_appointment_id_fkey
        FOREIGN KEY (appointment_id) REFERENCES appointments (calendar_event_id) ON DELETE SET NULL,
    CONSTRAINT medical_records_created_by_user_id_fkey FOREIGN KEY (created_by_user_id) REFERENCES users (id),
    CONSTRAINT medical_records_updated_by_user_id_fkey FOREIGN KEY (updated_by_user_id) REFERENCES users (id)
);
CREATE INDEX ix_medical_records_id ON medical_records (id);
CREATE INDEX ix_medical_records_clinic_id ON medical_records (clinic_id);
CREATE INDEX idx_medical_records_clinic ON medical_records (clinic_id);
CREATE INDEX ix_medical_records_patient_id ON medical_records (patient_id);
CREATE INDEX idx_medical_records_patient ON medical_records (patient_id);
CREATE INDEX ix_medical_records_appointment_id ON medical_records (appointment_id);
CREATE INDEX idx_medical_records_deleted ON medical_records (clinic_id, patient_id, is_deleted);
CREATE INDEX idx_medical_records_updated ON medical_records (clinic_id, updated_at);
CREATE INDEX idx_medical_records_created ON medical_records (created_at);

CREATE TABLE patient_photos (
    id SERIAL NOT NULL,
    clinic_id INTEGER NOT NULL,
    patient_id INTEGER NOT NULL,
    medical_record_id INTEGER,
    filename VARCHAR(255) NOT NULL,
    storage_key VARCHAR(512) NOT NULL,
    thumbnail_key VARCHAR(512),
    content_hash VARCHAR(64),
    content_type VARCHAR(100) NOT NULL,
    size_bytes INTEGER NOT NULL,
    description TEXT,
    is_pending BOOLEAN DEFAULT true,
    is_deleted BOOLEAN DEFAULT false,
    deleted_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE,
    uploaded_by_user_id INTEGER,
    updated_by_user_id INTEGER,
    CONSTRAINT patient_photos_pkey PRIMARY KEY (id),
    CONSTRAINT patient_photos_clinic_id_fkey FOREIGN KEY (clinic_id) REFERENCES clinics (id),
    CONSTRAINT patient_photos_patient_id_fkey FOREIGN KEY (patient_id) REFERENCES patients (id),
    CONSTRAINT patient_photos_medical_record_id_fkey FOREIGN KEY (medical_record_id) REFERENCES medical_records (id),
    CONSTRAINT patient_photos_uploaded_by_user_id_fkey FOREIGN KEY (uploaded_by_user_id) REFERENCES users (id)
);
CREATE INDEX ix_patient_photos_id ON patient_photos (id);
CREATE INDEX ix_patient_photos_clinic_id ON patient_photos (clinic_id);
CREATE INDEX ix_patient_photos_patient_id ON patient_photos (patient_id);
CREATE INDEX ix_patient_photos_medical_record_id ON patient_photos (medical_record_id);
CREATE INDEX idx_patient_photos_clinic ON patient_photos (clinic_id);
CREATE INDEX idx_patient_photos_patient_record ON patient_photos (patient_id, medical_record_id);
CREATE INDEX idx_patient_photos_deleted ON patient_photos (clinic_id, is_deleted);
CREATE INDEX idx_patient_photos_dedup ON patient_photos (clinic_id, content_hash);
