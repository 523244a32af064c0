"""Calls of S3 that administrate a bucket or an object rather than read and write objects: their parameters, so that
boto3 sends them, and what S3 answers of a bucket that nobody has configured."""

ID = {"Id": "one"}
EVERYONE = {"Grants": [], "Owner": {"ID": "0" * 64}}
ENABLED, NO_CONFIGURATION = {"Status": "Enabled"}, (404, "NoSuchConfiguration")
STATEMENT = '{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}'
POLICY = f'{{"Version": "2012-10-17", "Statement": [{STATEMENT}]}}'
ARN = "arn:aws:s3:::elsewhere"

# Reading a bucket's configuration: parameters, and S3's own answer, of which a right one has at least these members.
READS = [
    ("get_bucket_abac", {}, {}),
    ("get_bucket_accelerate_configuration", {}, {}),
    ("get_bucket_acl", {}, {}),
    ("get_bucket_analytics_configuration", ID, NO_CONFIGURATION),
    ("get_bucket_cors", {}, (404, "NoSuchCORSConfiguration")),
    ("get_bucket_encryption", {}, {}),
    ("get_bucket_intelligent_tiering_configuration", ID, NO_CONFIGURATION),
    ("get_bucket_inventory_configuration", ID, NO_CONFIGURATION),
    ("get_bucket_lifecycle", {}, (404, "NoSuchLifecycleConfiguration")),
    ("get_bucket_lifecycle_configuration", {}, (404, "NoSuchLifecycleConfiguration")),
    ("get_bucket_logging", {}, {}),
    ("get_bucket_metadata_configuration", {}, (404, "MetadataConfigurationNotFound")),
    ("get_bucket_metadata_table_configuration", {}, (404, "MetadataConfigurationNotFound")),
    ("get_bucket_metrics_configuration", ID, NO_CONFIGURATION),
    ("get_bucket_notification", {}, {}),
    ("get_bucket_notification_configuration", {}, {}),
    ("get_bucket_ownership_controls", {}, {
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}}),
    ("get_bucket_policy", {}, (404, "NoSuchBucketPolicy")),
    ("get_bucket_policy_status", {}, (404, "NoSuchBucketPolicy")),
    ("get_bucket_replication", {}, (404, "ReplicationConfigurationNotFoundError")),
    ("get_bucket_request_payment", {}, {"Payer": "BucketOwner"}),
    ("get_bucket_tagging", {}, (404, "NoSuchTagSet")),
    ("get_bucket_website", {}, (404, "NoSuchWebsiteConfiguration")),
    ("get_object_lock_configuration", {}, (404, "ObjectLockConfigurationNotFoundError")),
    ("get_public_access_block", {}, {}),
    ("list_bucket_analytics_configurations", {}, {"IsTruncated": False}),
    ("list_bucket_intelligent_tiering_configurations", {}, {"IsTruncated": False}),
    ("list_bucket_inventory_configurations", {}, {"IsTruncated": False}),
    ("list_bucket_metrics_configurations", {}, {"IsTruncated": False}),
]

# Writing it.
WRITES = [
    ("create_bucket_metadata_configuration", {"MetadataConfiguration": {"JournalTableConfiguration": {
        "RecordExpiration": {"Expiration": "DISABLED"}}}}),
    ("create_bucket_metadata_table_configuration", {"MetadataTableConfiguration": {"S3TablesDestination": {
        "TableBucketArn": "arn:aws:s3tables:eu-central-1:123456789012:bucket/t", "TableName": "t"}}}),
    ("create_session", {}),
    ("delete_bucket_analytics_configuration", ID),
    ("delete_bucket_cors", {}),
    ("delete_bucket_encryption", {}),
    ("delete_bucket_intelligent_tiering_configuration", ID),
    ("delete_bucket_inventory_configuration", ID),
    ("delete_bucket_lifecycle", {}),
    ("delete_bucket_metadata_configuration", {}),
    ("delete_bucket_metadata_table_configuration", {}),
    ("delete_bucket_metrics_configuration", ID),
    ("delete_bucket_ownership_controls", {}),
    ("delete_bucket_policy", {}),
    ("delete_bucket_replication", {}),
    ("delete_bucket_tagging", {}),
    ("delete_bucket_website", {}),
    ("delete_public_access_block", {}),
    ("put_bucket_abac", {"AbacStatus": ENABLED}),
    ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": ENABLED}),
    ("put_bucket_acl", {"ACL": "public-read"}),
    ("put_bucket_acl", {"AccessControlPolicy": EVERYONE}),
    ("put_bucket_analytics_configuration", ID | {"AnalyticsConfiguration": ID | {"StorageClassAnalysis": {}}}),
    ("put_bucket_cors", {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
    ("put_bucket_encryption", {"ServerSideEncryptionConfiguration": {"Rules": [
        {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}}),
    ("put_bucket_intelligent_tiering_configuration", ID | {"IntelligentTieringConfiguration": ID | ENABLED | {
        "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}}),
    ("put_bucket_inventory_configuration", ID | {"InventoryConfiguration": ID | {
        "Destination": {"S3BucketDestination": {"Bucket": ARN, "Format": "CSV"}}, "IsEnabled": True,
        "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"}}}),
    ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": [
        ENABLED | {"Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}]}}),
    ("put_bucket_logging", {"BucketLoggingStatus": {}}),
    ("put_bucket_metrics_configuration", ID | {"MetricsConfiguration": ID}),
    ("put_bucket_notification_configuration", {"NotificationConfiguration": {}}),
    ("put_bucket_ownership_controls", {"OwnershipControls": {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}}),
    ("put_bucket_policy", {"Policy": POLICY}),
    ("put_bucket_replication", {"ReplicationConfiguration": {"Role": "arn:aws:iam::123456789012:role/r", "Rules": [
        ENABLED | {"Destination": {"Bucket": ARN}}]}}),
    ("put_bucket_request_payment", {"RequestPaymentConfiguration": {"Payer": "Requester"}}),
    ("put_bucket_tagging", {"Tagging": {"TagSet": [{"Key": "a", "Value": "1"}]}}),
    ("put_bucket_versioning", {"VersioningConfiguration": ENABLED}),
    ("put_bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}}),
    ("put_object_lock_configuration", {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}),
    ("put_public_access_block", {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}}),
    ("update_bucket_metadata_inventory_table_configuration", {
        "InventoryTableConfiguration": {"ConfigurationState": "DISABLED"}}),
    ("update_bucket_metadata_journal_table_configuration", {
        "JournalTableConfiguration": {"RecordExpiration": {"Expiration": "DISABLED"}}}),
]

# Those of them that a silo's bucket is given when it is made.
TAKEN = ["put_bucket_cors", "put_bucket_encryption", "put_bucket_policy", "put_public_access_block"]

# What is done with an object beside reading and writing it. None of it may pass for a plain read, write or delete.
OF_OBJECTS = [
    ("delete_object_annotation", {"AnnotationName": "a"}),
    ("get_object_acl", {}),
    ("get_object_annotation", {"AnnotationName": "a"}),
    ("get_object_legal_hold", {}),
    ("get_object_retention", {}),
    ("get_object_torrent", {}),
    ("list_object_annotations", {}),
    ("put_object_acl", {"ACL": "public-read"}),
    ("put_object_annotation", {"AnnotationName": "a", "AnnotationPayload": b"x"}),
    ("put_object_legal_hold", {"LegalHold": {"Status": "ON"}}),
    ("put_object_retention", {"Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2030-01-01T00:00:00Z"}}),
    ("rename_object", {"RenameSource": "acme/own/mine.txt"}),
    ("restore_object", {"RestoreRequest": {"Days": 1}}),
    ("select_object_content", {"Expression": "SELECT * FROM s3object", "ExpressionType": "SQL",
                               "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}),
    ("update_object_encryption", {"ObjectEncryption": {"SSEKMS": {
        "KMSKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/k"}}}),
]
